"""What workers and widgets tell: small values, posted, never called back."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from textual.message import Message


@dataclass
class Arrived(Message):
    """A piece of the feed, as it came."""

    piece: Mapping[str, Any]


@dataclass
class Connection(Message):
    """The feed was lost or is back. `why` is empty when it is back."""

    why: str = ""

    def can_replace(self, message: Message) -> bool:
        return isinstance(message, Connection)


@dataclass
class Refused(Message):
    """The server does not want us: the token is unknown, expired or revoked, or it is no server."""

    error: Exception


class ModelChanged(Message):
    """There is news in the model; many of them are one."""

    def can_replace(self, message: Message) -> bool:
        return isinstance(message, ModelChanged)


@dataclass
class LogArrived(Message):
    """Lines of a log, in order, each {attempt, rank, at, text}; `taken` frees the reader to go
    on: it must be called once they are shown."""

    generation: int
    lines: Sequence[Mapping[str, Any]]


@dataclass
class LogNoted(Message):
    """Something about the log itself: a gap, the end, a lost connection."""

    generation: int
    text: str
    is_end: bool = False


@dataclass
class Chosen(Message):
    """Enter on a row of a table; `index` is its place in what is shown."""

    index: int


class Moved(Message):
    """The cursor stands elsewhere."""

    def can_replace(self, message: Message) -> bool:
        return isinstance(message, Moved)


@dataclass
class Typed(Message):
    """The prompt's text changed."""

    kind: str
    text: str

    def can_replace(self, message: Message) -> bool:
        return isinstance(message, Typed)


@dataclass
class Entered(Message):
    """The prompt was left: with a text, or (None) without."""

    kind: str
    text: str | None
