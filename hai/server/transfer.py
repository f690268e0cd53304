"""What `hai-server dump`, `load` and `migrate` do: hai-up's way to the database, wherever it is.

`load` reads from standard input a line of JSON, the order, and then the dump; an exec into a pod
has no end of input, so the order says how many bytes come. All answer with a line of JSON.
"""

import io
import json
import os
from collections.abc import Mapping, Sequence
from typing import Any, BinaryIO, cast

from hai import __version__
from hai.core.lifecycle.restored import WHY, left_behind
from hai.core.task import EventDraft
from hai.errors import InvalidInput, PlatformError
from hai.ports import Store
from hai.server.compose import open_settings_store
from hai.service.clock import SystemClock
from hai.settings import Settings
from hai.store.database import connection_settings
from hai.store.migrate import load_migrations, migrate
from hai.store.transfer.connect import connected
from hai.store.transfer.dump import dump
from hai.store.transfer.format import Header
from hai.store.transfer.load import LoadOrder, check, load, target_of

Json = dict[str, Any]
_AT_ONCE = 500  # tasks in one transaction


def url_of(settings: Settings) -> str:
    """PlatformError without one that can be backed up."""
    url = settings.store.url.get_secret_value()
    if not url.startswith("postgres"):
        raise PlatformError(
            "no PostgreSQL is configured ([store] url)", hint="hai-up run -p local sets one up"
        )
    return url


def dump_database(settings: Settings, sink: BinaryIO) -> None:
    dump(url_of(settings), sink, version=__version__)
    sink.flush()


async def migrate_database(settings: Settings) -> Json:
    """Which migrations were missing and are applied now."""
    done = await migrate(connection_settings(url_of(settings)))
    return {"applied": [f"{one.number:04d}_{one.name}" for one in done]}


async def load_database(settings: Settings, order: Mapping[str, Any], source: BinaryIO) -> Json:
    """The order: size, users, replace, exact; with `check`, the dump's header instead of the dump,
    it only looks."""
    url = url_of(settings)
    users = [str(name) for name in order.get("users", ())]
    exact = bool(order.get("exact"))
    if not exact:
        await migrate(connection_settings(url))
    if "check" in order:
        return _look(url, Header.of(order["check"]), users)
    wanted = LoadOrder(users, bool(order.get("replace")), exact)
    header, _ = load(url, cast("BinaryIO", _Limited(source, int(order["size"]))), wanted)
    answer: Json = {"schema": header.schema, "exact": exact, "waiting": [], "ended": []}
    return answer if exact else answer | await _leave_behind(settings, header)


def _look(url: str, header: Header, users: Sequence[str]) -> Json:
    migrations = load_migrations()
    check(header, migrations)
    with connected(url) as connection:
        found = target_of(connection, users)
    return {
        "tasks": found.tasks,
        "others": found.others,
        "fresh": found.is_fresh,
        "schema": len(migrations),
    }


async def _leave_behind(settings: Settings, header: Header) -> Json:
    """Tasks that ran elsewhere are where they were left, and all is told once."""
    store, clock = open_settings_store(settings), SystemClock()
    await store.open()
    try:
        told = await _settle(store, header)
        data = {"taken_at": header.taken_at, "version": header.version, **told}
        why = f"restored from a backup of HAI {header.version}"
        event = EventDraft(
            kind="platform.restored", actor="hai-up", at=clock.now(), why=why, data=data
        )
        await store.append([event])
        return told
    finally:
        await store.close()


async def _settle(store: Store, header: Header) -> Json:
    waiting: list[int] = []
    ended: list[int] = []
    tasks = await store.active_tasks()
    for start in range(0, len(tasks), _AT_ONCE):
        some = tasks[start : start + _AT_ONCE]
        changes = [change for task in some if (change := left_behind(task, header.taken_at))]
        for task in await store.save(changes):
            (ended if task.state.is_final else waiting).append(task.id)
    nobody = [user.name for user in await store.users() if user.uid is None]
    is_root = os.geteuid() == 0
    return {
        "waiting": waiting,
        "ended": ended,
        "why": WHY,
        "nobody": nobody if is_root else [],  # who would be root here, and may start nothing
    }


def read_order(source: BinaryIO) -> Mapping[str, Any]:
    """The first line of standard input."""
    try:
        order = json.loads(source.readline(2**20))
    except ValueError as error:
        raise InvalidInput(f"stdin begins with no JSON: {error}") from None
    if not isinstance(order, dict):
        raise InvalidInput("a JSON object is expected on stdin")
    return order


class _Limited(io.RawIOBase):
    """The first `size` bytes of a stream that does not end."""

    def __init__(self, source: BinaryIO, size: int) -> None:
        self._source = source
        self._left = size

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        piece = self._source.read(min(len(buffer), self._left))
        self._left -= len(piece)
        buffer[: len(piece)] = piece
        return len(piece)
