"""What a push asks of the other side."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from hai.workspace.listing import Stamp
from haiworkspace.plan import FileEntry, SyncPlan


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
    note: Callable[[Mapping[str, FileEntry], Mapping[str, Stamp]], None]


class Steps(Protocol):
    """The other side, where each part of a push is a step of its own."""

    def remove(self, paths: Iterable[str]) -> None: ...

    def send(self, local: Path, paths: Iterable[str], *, clear: bool) -> None: ...

    def set_modes(self, modes: Mapping[str, int]) -> None: ...

    def write_origin(self, origin: str) -> None: ...


def change_in_steps(remote: Steps, push: Push) -> None:
    """The origin last: it says that the rest is there."""
    remote.remove(push.plan.removed)
    remote.send(push.local, push.plan.copied, clear=push.clear)
    remote.set_modes(push.plan.modes)
    remote.write_origin(push.origin)
