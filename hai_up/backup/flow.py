"""The steps of backup and restore, told in the same words for every PlatformPlace."""

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from hai.errors import Conflict, HaiError, InvalidInput
from hai.store.transfer.format import Header, read_header
from hai_up.backup.added import tell_left_out
from hai_up.backup.archive import (
    Archive,
    default_name,
    opened,
    scratch_beside,
    write_archive,
)
from hai_up.backup.place import Json, PlatformPlace
from hai_up.console import ask

Say = Callable[[str], None]
_SHOWN = 10  # task ids


def backup(place: PlatformPlace, file: Path | None, say: Say) -> Path:
    """Write everything that the platform knows into one file; it goes on working meanwhile."""
    try:
        place.open_database()
        return save(place, file or Path(), say)
    finally:
        place.close()


def save(place: PlatformPlace, target: Path, say: Say) -> Path:
    """Into the file `target`, or into the folder of that name; the database is open already."""
    named = None if target.is_dir() else target
    if named is not None and named.exists():
        raise Conflict(f"{named} exists already", hint="name another file, or remove it")
    with scratch_beside((named or target / "x").absolute()) as scratch:
        dump = scratch / "database.gz"
        with dump.open("wb") as sink:
            place.dump(sink)
        with dump.open("rb") as source:
            header = read_header(source)
        path = named or target / default_name(header)
        write_archive(path, header, dump, place.contents())
    size = path.stat().st_size
    say(f"wrote {path}: {_size(size)}, HAI {header.version}, schema {header.schema}; only you")
    say("  can read it, and it holds secrets; logs and files of tasks are not in it")
    return path


def restore(place: PlatformPlace, file: Path, *, replace: bool, is_sure: bool, say: Say) -> None:
    """Fill a platform from a backup. The database is changed as a whole or not at all."""
    with opened(file) as archive:
        header = _header_of(archive)
        _introduce(archive, say)
        try:
            tell_left_out(archive, place.provider, place.settings(), say)
            place.bring_up(archive)
            place.open_database()
            _restore(place, archive, header, replace=replace, is_sure=is_sure, say=say)
        finally:
            place.close()


def _header_of(archive: Archive) -> Header:
    with archive.database() as source:
        header = read_header(source)
    if header.schema != archive.manifest.schema:
        raise InvalidInput(f"{archive.path} is damaged: its schema is not what it says")
    return header


def _introduce(archive: Archive, say: Say) -> None:
    known = archive.manifest
    say(f"{archive.path} is of {known.date}, HAI {known.version}, schema {known.schema},")
    say(f"  from {known.place} ({known.provider})")
    if archive.path.stat().st_mode & 0o077:
        say(f"warning: it holds secrets and others can read it: chmod 600 {archive.path}")


def _restore(
    place: PlatformPlace,
    archive: Archive,
    header: Header,
    *,
    replace: bool,
    is_sure: bool,
    say: Say,
) -> None:
    users = place.first_users()
    found = place.load({"users": users, "check": {"hai_dump": 1, **asdict(header)}})
    if not found["fresh"]:
        _require_consent(place, found, replace=replace, is_sure=is_sure, say=say)
    say("stopping the server")
    place.stop_server()
    try:
        if not found["fresh"]:
            place.end_workers()
        say(f"restoring the database ({_size(archive.database_bytes)})")
        order = {"users": users, "replace": replace, "size": archive.database_bytes}
        with archive.database() as source:
            done = place.load(order, source)
    finally:
        say("starting the server")
        place.start_server()
    _tell(done, found, say)


def _require_consent(
    place: PlatformPlace, found: Json, *, replace: bool, is_sure: bool, say: Say
) -> None:
    count = found["tasks"]
    what = [f"{count} task{'' if count == 1 else 's'}"] if count else []
    what += [f"user {name}" for name in found["others"][:3]]
    held = ", ".join(what)
    if not replace:
        raise Conflict(
            f"the platform in {place.name} is not fresh: it holds {held}; nothing was changed",
            hint="hai-up backup keeps that; then hai-up restore FILE --replace",
        )
    say(f"this ends all tasks in {place.name} and forgets what is there: {held}")
    if not is_sure and not ask(f"type its name ({place.name}) to go on: ", place.name):
        raise InvalidInput("nothing was changed")


def _tell(done: Json, found: Json, say: Say) -> None:
    if done["schema"] != found["schema"]:
        say(f"the database was migrated from schema {done['schema']} to {found['schema']}")
    for name, what in (("waiting", "go back to the head of their line"), ("ended", "have ended")):
        if done[name]:
            ids = ", ".join(map(str, done[name][:_SHOWN]))
            more = f" and {len(done[name]) - _SHOWN} more" if len(done[name]) > _SHOWN else ""
            say(f"tasks that ran there {what}: {ids}{more}")
    for name in done.get("nobody", ()):
        say(f"user {name} has no Unix user, and the server runs as root: nothing of {name} starts")
        say(f"  before hai-cli users set {name} --uid UID")
    say("restored: users, quotas, rows, tasks and their history are as in the backup")


def _size(count: int) -> str:
    return f"{count / 2**20:.1f} MiB" if count >= 2**20 else f"{count / 2**10:.1f} KiB"


def answer_of(text: bytes) -> Json:
    """The last line of what hai-server prints."""
    lines = text.strip().splitlines()
    try:
        answer: Json = json.loads(lines[-1])
    except (ValueError, IndexError) as error:
        raise HaiError("hai-server gave no answer") from error
    return answer
