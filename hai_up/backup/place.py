"""What backup, restore and upgrade need of a provider: one PlatformPlace of each that can do it.
The plan and the words are the same everywhere: see flow.py and hai_up/upgrading.py."""

from collections.abc import Mapping
from typing import Any, BinaryIO, Protocol

from hai_up.backup.archive import Archive, Contents

Json = dict[str, Any]


class PlatformPlace(Protocol):
    """A platform where it stands. Methods raise HaiError; each can be repeated."""

    provider: str

    @property
    def name(self) -> str:
        """What people call it, and type to confirm: a folder's name, a namespace."""

    def contents(self) -> Contents:
        """Secrets and configuration for a backup."""

    def first_users(self) -> list[str]:
        """Whom hai-up made by itself."""

    def settings(self) -> Mapping[str, Any] | None:
        """What override.toml holds there; None where there is no platform yet."""

    def bring_up(self, archive: Archive) -> None:
        """Where there is no platform yet: a fresh one, with the archive's configuration if that
        is of the same provider. (added.py says what of it cannot be had.)"""

    def open_database(self) -> None:
        """Make the database answer, and a way to it."""

    def dump(self, sink: BinaryIO) -> None:
        """`hai-server dump`."""

    def load(self, order: Mapping[str, Any], source: BinaryIO | None = None) -> Json:
        """`hai-server load`: its answer. `order` as in hai.server.transfer."""

    def stop_server(self) -> None:
        """No process of the server writes any more; workers go on alone."""

    def start_server(self) -> None:
        """As it was before, and ready."""

    def end_workers(self) -> None:
        """Of tasks that are about to be forgotten."""

    def close(self) -> None:
        """Whatever open_database made goes."""


class UpgradablePlace(PlatformPlace, Protocol):
    """A place that can change from one HAI to another and back."""

    def versions(self) -> tuple[str, str]:
        """For people: the HAI that runs, and the one that should."""

    def prepare(self) -> None:
        """Make sure of the new one, before anything is stopped: rights, program, image."""

    def migrate(self) -> list[str]:
        """The new one's migrations; names of those that were applied."""

    def switch(self) -> None:
        """Start the new one and wait until it is ready."""

    def check(self) -> None:
        """The server that answers is the new one; PlatformError if it says something else."""

    def switch_back(self) -> None:
        """Start the old one again, on the database as it is now."""
