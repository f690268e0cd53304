"""The whole store: what the composition root makes, and hands out by reader."""

from typing import Protocol

from hai.ports.cluster import Cluster
from hai.ports.database import Database
from hai.ports.decision_log import DecisionLog
from hai.ports.door import DoorStore
from hai.ports.event_log import EventLog
from hai.ports.identity import Identity
from hai.ports.idle import IdleClocks
from hai.ports.leading import Leading
from hai.ports.rows import Rows
from hai.ports.tasks import Tasks
from hai.ports.timekeeping import StoredTimes
from hai.ports.watch import Watch


class Store(
    Database,
    Identity,
    Cluster,
    Rows,
    Tasks,
    Watch,
    IdleClocks,
    EventLog,
    DecisionLog,
    StoredTimes,
    Leading,
    DoorStore,
    Protocol,
):
    """The truth. Every method is one transaction; Unavailable when the database does not answer."""

    def for_loops(self, pool_size: int) -> "Store":
        """The same store for the loops of a leader: connections of their own, so that readers can
        not starve them, and a fence around what they write. Opened and closed by itself, inside
        of this one's time."""
