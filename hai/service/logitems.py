"""What log streams are asked for and what they give."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from hai.core.task import Task
from hai.errors import InvalidInput
from hai.service.logfiles import Line


@dataclass(frozen=True, slots=True, kw_only=True)
class LogQuery:
    """`ranks` None: all. `attempt` None: all of them, unless `previous` (the one before the last).

    `tail` keeps the last N lines per rank of what exists, `since` drops lines before that time.
    """

    ranks: frozenset[int] | None = frozenset({0})
    attempt: int | None = None
    previous: bool = False
    since: float | None = None
    tail: int | None = None
    follow: bool = False
    cursor: str = ""


@dataclass(frozen=True, slots=True)
class LogLines:
    """`encoded` is a place for whoever sends them: many readers are sent the same."""

    attempt: int
    lines: tuple[Line, ...]
    cursor: str
    encoded: list[bytes] = field(default_factory=list, compare=False)


@dataclass(frozen=True, slots=True)
class LogGap:
    """Rotation removed these bytes before they were read."""

    attempt: int
    rank: int
    bytes: int


@dataclass(frozen=True, slots=True)
class StateNow:
    """The task as it is now; the first item of a followed stream, and again after each change."""

    task: Task


@dataclass(frozen=True, slots=True)
class Quiet:
    """Nothing has happened for a while."""


@dataclass(frozen=True, slots=True)
class End:
    """Nothing more will come."""

    task: Task


Item = LogLines | LogGap | StateNow | Quiet | End


@dataclass(slots=True)
class Position:
    """Where a stream stands: an attempt and an offset per rank."""

    attempt: int = 0
    offsets: Mapping[int, int] = field(default_factory=dict)

    @classmethod
    def parse(cls, text: str) -> "Position":
        attempt, _, rest = text.partition(";")
        pairs = (pair.split(":") for pair in rest.split(",") if pair)
        try:
            return cls(int(attempt), {int(rank): int(offset) for rank, offset in pairs})
        except ValueError:
            raise InvalidInput(f"{text!r} is no log cursor") from None

    def __str__(self) -> str:
        pairs = ",".join(f"{rank}:{offset}" for rank, offset in sorted(self.offsets.items()))
        return f"{self.attempt};{pairs}"
