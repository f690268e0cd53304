"""What a push asks of the other side."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
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
    # hears of what is on its way before anything there changes
    note: Callable[["OnItsWay"], None]


@dataclass(frozen=True, slots=True)
class OnItsWay:
    """Files, with the stamps of those that were read for it; `again`: digests of what stands there
    in the form that those of `entries` have, where they had another one."""

    entries: Mapping[str, FileEntry]
    stamps: Mapping[str, Stamp] = field(default_factory=dict)
    again: Mapping[str, str] = field(default_factory=dict)


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
