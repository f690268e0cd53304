"""What a push asks of the other side."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from hai.workspace.listing import Stamp
from haiworkspace.plan import Entry, SyncPlan


@dataclass(frozen=True, slots=True)
class Push:
    """What is to be done there: see `SyncPlan`. With `clear` a file, a link or an empty directory
    that is in the way goes; `origin` says there which workspace it is."""

    local: Path
    plan: SyncPlan
    clear: bool
    origin: str
    # hears of all files that are on their way, with the stamps of those that were read for it,
    # before anything there changes
    note: Callable[[Mapping[str, Entry], Mapping[str, Stamp]], None]
