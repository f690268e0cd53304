"""What the use-cases need from outside: Bus, Launcher, Clock, and the store by who reads it.

A use-case asks for the narrowest protocol of the store that it can do with. Each port has one
behavioural contract suite (tests/contract) that every implementation passes.
"""

from hai.ports.bus import Bus as Bus
from hai.ports.bus import Message as Message
from hai.ports.clock import Clock as Clock
from hai.ports.cluster import Cluster as Cluster
from hai.ports.database import Database as Database
from hai.ports.decision_log import DecisionLog as DecisionLog
from hai.ports.door import DoorStore as DoorStore
from hai.ports.event_log import ALL_EVENTS as ALL_EVENTS
from hai.ports.event_log import EventCount as EventCount
from hai.ports.event_log import EventFilter as EventFilter
from hai.ports.event_log import EventLog as EventLog
from hai.ports.identity import Identity as Identity
from hai.ports.idle import IdleClocks as IdleClocks
from hai.ports.launcher import Launcher as Launcher
from hai.ports.launcher import Observation as Observation
from hai.ports.launcher import WorkerLaunch as WorkerLaunch
from hai.ports.launcher import WorkerPhase as WorkerPhase
from hai.ports.leading import Leading as Leading
from hai.ports.leading import Pause as Pause
from hai.ports.rows import Rows as Rows
from hai.ports.store import Store as Store
from hai.ports.tasks import TaskPage as TaskPage
from hai.ports.tasks import TaskQuery as TaskQuery
from hai.ports.tasks import Tasks as Tasks
from hai.ports.tasks import Usage as Usage
from hai.ports.timekeeping import StoredTimes as StoredTimes
from hai.ports.timekeeping import Timebase as Timebase
from hai.ports.watch import UnfinishedTasks as UnfinishedTasks
from hai.ports.watch import Watch as Watch
