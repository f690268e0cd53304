"""The steps of an upgrade, told in the same words for every Place.

    prepare     the new one is there and works: rights, image or program. Nothing has changed so far
    stop        the server; running tasks go on alone
    backup      the database as the old server left it
    migrate     by the new one's migrations
    switch      the new server, ready
    check       it is the one that is wanted

A step that fails takes all back: the new server goes, a database that was migrated is loaded again
from the backup, and the old one starts. docs/decisions/0021-own-dumps.md says why.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from hai.errors import HaiError, PlatformError
from hai_up.backup.archive import opened
from hai_up.backup.flow import save
from hai_up.backup.place import UpgradablePlace
from hai_up.console import ask

Say = Callable[[str], None]


@dataclass(slots=True)
class _Done:
    """How far it has come."""

    backup: Path | None = None
    migrations: tuple[str, ...] = ()


def upgrade(
    place: UpgradablePlace, folder: Path, *, is_sure: bool, say: Say, dry_run: bool = False
) -> None:
    """Bring the server to the HAI that is wanted; its backup goes into `folder`. PlatformError:
    it did not work, and all is as it was, or how it is now."""
    try:
        old, new = place.versions()
        if old == new:
            say(f"the server of {place.name} is {old} already; nothing was changed")
            return
        say(f"the server of {place.name} is {old}; it becomes {new}. Running tasks go on.")
        say("steps: prepare, stop the server, backup, migrate, start, check; or all is taken back")
        if dry_run:
            say("nothing was changed")
            return
        if not is_sure and not ask("go on? type yes: ", "yes"):
            say("nothing was changed")
            return
        say("preparing")
        place.prepare()
        place.open_database()
        _change(place, folder, (old, new), say)
    finally:
        place.close()
    say(f"upgraded: {new} runs")


def _change(place: UpgradablePlace, folder: Path, versions: tuple[str, str], say: Say) -> None:
    done = _Done()
    try:
        _forward(place, folder, done, say)
    except BaseException as error:
        why = error.message if isinstance(error, HaiError) else type(error).__name__
        say(f"the upgrade failed: {why}")
        _back(place, done, why, say)
        raise PlatformError(
            f"the upgrade to {versions[1]} failed and was taken back, {versions[0]} runs: {why}",
            hint=getattr(error, "hint", "") or "hai-up status",
        ) from error


def _forward(place: UpgradablePlace, folder: Path, done: _Done, say: Say) -> None:
    say("stopping the server")
    place.stop_server()
    done.backup = save(place, folder, say)
    done.migrations = ("?",)  # from here on nobody knows, until it is told
    done.migrations = tuple(place.migrate())
    for name in done.migrations:
        say(f"  migrated: {name}")
    say("starting the new server")
    place.switch()
    place.check()


def _back(place: UpgradablePlace, done: _Done, why: str, say: Say) -> None:
    """Of an error here nothing can be taken back: it is told with what to do."""
    try:
        say("taking it back: stopping the new server")
        place.stop_server()
        if done.migrations and done.backup is not None:
            say("taking it back: the database, from the backup")
            with opened(done.backup) as archive, archive.database() as source:
                place.load({"exact": True, "size": archive.database_bytes}, source)
        say("taking it back: starting the old server")
        place.switch_back()
    except HaiError as error:
        kept = f"; the backup is {done.backup}" if done.backup else ""
        raise PlatformError(
            f"the upgrade failed ({why}) and cannot be taken back: {error.message}{kept}",
            hint=error.hint or "hai-up status; hai-up restore FILE",
        ) from error
