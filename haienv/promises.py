"""A task that recorded an environment gets that same one in every attempt. Where nodes have a disk
for it, a pack is made at submission. Where they have none, a promise is enough for as long as the
environment stays as it is; haienv makes the pack before it changes or removes it.

    <root>/.packs/<identity>-<state>.promise    last changed when a task last used it

In it is what the environment was: where something else has changed it (`python -m pip`, uv),
whatever of haienv comes next makes the pack from that lock.
"""

from __future__ import annotations

import json
import os
from contextlib import contextmanager, suppress

from hai import files
from hai.agent.packs import PROMISE, promise_of
from hai.errors import Denied, HaiError, PlatformError
from haienv.index import PACKS, Index
from haienv.lock import parse_lock
from haienv.locked import held, lock_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from typing import Any

    from haienv.lock import Lock
    from haienv.model import Environment


def promise(index: Index, environment: Environment) -> tuple[Lock, str]:
    """The lock and the state of one of one's own environments, which now stay to be had.

    Raises Denied, PlatformError.
    """
    from haienv.packing import state_now

    with held(environment):
        lock, state = lock_of(environment), state_now(environment)
        folder = index.root / PACKS
        noted = folder / promise_of(lock.identity, state)
        _keep_lost(environment, noted.name)
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            document = {"path": str(environment.path), "state": state, "lock": lock.text()}
            files.write_whole(noted, json.dumps(document))
        except OSError as error:
            raise Denied(
                f"cannot note in {folder} that a task uses {environment.name!r}: {error.strerror}",
                hint="free some space there; --env-follow needs no note",
            ) from error
    return lock, state


@contextmanager
def changing(environment: Environment) -> Iterator[None]:
    """The only right to change what is installed in `environment`; what was promised of it is
    packed first. Raises Denied; then nothing is changed."""
    with held(environment):
        folder = environment.path.parent / PACKS
        if next(folder.glob(f"*{PROMISE}"), None) is not None:
            _keep(environment)
        yield


def _keep(environment: Environment) -> None:
    from haienv.packing import packed, state_now

    try:
        name = promise_of(lock_of(environment).identity, state_now(environment))
    except PlatformError:  # broken: nothing can be kept of it, and it may be mended or removed
        return
    _keep_lost(environment, name)
    noted = environment.path.parent / PACKS / name
    if not noted.exists():
        return
    index = Index(environment.owner, environment.path.parent, None)
    say = _say()
    say("a task recorded it as it is now, and may run in it again")
    try:
        packed(index, environment, say)
    except Denied as error:
        error.hint = (
            "free some space there, or give up what tasks recorded: haienv gc --keep-days 0"
        )
        raise
    noted.unlink(missing_ok=True)


def _keep_lost(environment: Environment, now: str) -> None:
    """Packs what was promised of the environment and is not there any more; `now` is the promise of
    what is there. What cannot be had is told once for each change."""
    for noted in sorted((environment.path.parent / PACKS).glob(f"*{PROMISE}")):
        if noted.name == now:
            continue
        promised = _read(noted)
        if promised.get("path") == str(environment.path) and promised.get("tried") != now:
            _pack_again(environment, noted, promised, now)


def _pack_again(environment: Environment, noted: Path, promised: dict[str, Any], now: str) -> None:
    from haienv.again import pack_again

    say = _say()
    say(
        f"{environment.name} was changed by something other than haienv, and a task may run again "
        "in what it was: making that from its lock"
    )
    used_at = noted.stat().st_mtime
    try:
        pack_again(environment, parse_lock(str(promised["lock"])), str(promised["state"]))
    except (HaiError, OSError) as error:
        say(f"that cannot be had now, and an attempt that needs it would fail: {error}")
        with suppress(OSError):  # then it is tried and told once more
            files.write_whole(noted, json.dumps({**promised, "tried": now}))
            os.utime(noted, (used_at, used_at))  # haienv gc goes by when a task used it
    else:
        noted.unlink(missing_ok=True)


def _read(noted: Path) -> dict[str, Any]:
    """What a promise says; nothing where an older release made it."""
    with suppress(OSError, ValueError):
        found = json.loads(noted.read_text(encoding="utf-8"))
        if isinstance(found, dict):
            return found
    return {}


def _say() -> Callable[[str], None]:
    from hai.console.errors import Stderr

    return Stderr(program="haienv").say
