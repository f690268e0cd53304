"""How much one user may submit: what everybody's questions and ticks have to go through."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from hai.core.array_spec import ArraySpec
from hai.core.identity import User
from hai.core.idle import IdlePolicy
from hai.core.task import TaskDraft
from hai.core.task_options import TaskOptions
from hai.core.types import GroupName, UserName
from hai.errors import InvalidInput, TooMany
from hai.ports import UnfinishedTasks, Watch

_MIB = 2**20


@dataclass(frozen=True, slots=True)
class SubmitLimits:
    """`array_tasks` and `array_bytes` (tasks x document) of one array, `tasks` and `bytes` of all
    unfinished ones of a user."""

    array_tasks: int = 10_000
    array_bytes: int = 2**30
    tasks: int = 50_000
    bytes: int = 256 * _MIB
    idle: IdlePolicy = field(default_factory=IdlePolicy)  # of dev containers

    def check_size(self, array: ArraySpec) -> None:
        """InvalidInput for an array of more tasks than the platform takes."""
        if array.size > self.array_tasks:
            raise InvalidInput(
                f"the array has {array.size:,} tasks, and this platform takes "
                f"{self.array_tasks:,} at most",
                hint="submit it in parts, or ask an admin to raise [scheduler] max_array_size",
            )

    def check_idle(self, options: TaskOptions, group: GroupName) -> None:
        """InvalidInput when a dev container asks for more idleness than the platform allows."""
        if options.idle_seconds is not None:
            self.idle.check(options.idle_seconds, group)

    def check_array(self, members: int, size: int) -> None:
        """InvalidInput when `members` of a document of `size` bytes are too much."""
        if members * size > self.array_bytes:
            raise InvalidInput(
                f"{members:,} tasks of a document of {_text(size)} are "
                f"{_text(members * size)}, and this platform takes {_text(self.array_bytes)}",
                hint="put what is large into a file that the program reads, or ask an admin to "
                "raise [scheduler] max_array_bytes",
            )

    def check_user(self, name: UserName, now: UnfinishedTasks, more: UnfinishedTasks) -> None:
        """TooMany when a user who has `now` submits `more`."""
        if now.tasks + more.tasks > self.tasks:
            raise TooMany(
                f"{name} has {now.tasks:,} unfinished tasks, and may have {self.tasks:,}: "
                f"{more.tasks:,} more do not fit",
                hint="submit them when some have ended (`hai-cli list`, `hai-cli stop`), or ask an "
                "admin to raise [scheduler] max_unfinished_tasks",
            )
        if now.bytes + more.bytes > self.bytes:
            raise TooMany(
                f"the documents of {name}'s unfinished tasks have {_text(now.bytes)}, and may have "
                f"{_text(self.bytes)}: {_text(more.bytes)} more do not fit",
                hint="put what is large into a file that the program reads, or ask an admin to "
                "raise [scheduler] max_unfinished_bytes",
            )


class Waitings:
    """What users have that is unfinished. One who is far from the limits is not counted anew for
    each submission."""

    def __init__(self, store: Watch, limits: SubmitLimits) -> None:
        self._store = store
        self._limits = limits
        # What may be submitted before it is counted again.
        self._left: dict[UserName, UnfinishedTasks] = {}

    async def check(self, user: User, drafts: Sequence[TaskDraft], size: int) -> None:
        """TooMany unless these fit. `size`: bytes of the document that they share."""
        more = UnfinishedTasks(len(drafts), size)
        left = self._left.get(user.name, UnfinishedTasks())
        if left.tasks < more.tasks or left.bytes < more.bytes:
            found = await self._store.waiting_of([user.name])
            now = found.get(user.name, UnfinishedTasks())
            self._limits.check_user(user.name, now, more)
            # a tenth of the room, so that several servers cannot be far off together
            left = UnfinishedTasks(
                max(more.tasks, (self._limits.tasks - now.tasks) // 10),
                max(more.bytes, (self._limits.bytes - now.bytes) // 10),
            )
        if len(self._left) > 10_000:
            self._left.clear()
        self._left[user.name] = UnfinishedTasks(left.tasks - more.tasks, left.bytes - more.bytes)


def _text(size: int) -> str:
    return f"{size / _MIB:,.1f} MiB" if size >= _MIB // 10 else f"{size:,} bytes"
