"""A task that recorded an environment gets that same one in every attempt. Where nodes have a disk
for it, a pack is made at submission. Where they have none, a promise is enough for as long as the
environment stays as it is; haienv makes the pack before it changes or removes it.

    <root>/.packs/<identity>-<state>.promise    last changed when a task last used it
"""

from __future__ import annotations

from contextlib import contextmanager

from hai.agent.packs import PROMISE, promise_of
from hai.errors import Denied, PlatformError
from haienv.index import PACKS, Index
from haienv.locked import held, lock_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from haienv.lock import Lock
    from haienv.model import Environment


def promise(index: Index, environment: Environment) -> tuple[Lock, str]:
    """The lock and the state of one of one's own environments, which now stay to be had.

    Raises Denied, PlatformError.
    """
    from haienv.packing import state_now

    folder = index.root / PACKS
    with held(environment):
        lock, state = lock_of(environment), state_now(environment)
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            (folder / promise_of(lock.identity, state)).touch(mode=0o600)
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
    from hai.console.errors import Stderr
    from haienv.packing import packed, state_now

    try:
        name = promise_of(lock_of(environment).identity, state_now(environment))
    except PlatformError:  # broken: nothing can be kept of it, and it may be mended or removed
        return
    noted = environment.path.parent / PACKS / name
    if not noted.exists():
        return
    index = Index(environment.owner, environment.path.parent, None)
    stderr = Stderr(program="haienv")
    stderr.say("a task recorded it as it is now, and may run in it again")
    try:
        packed(index, environment, stderr.say)
    except Denied as error:
        error.hint = (
            "free some space there, or give up what tasks recorded: haienv gc --keep-days 0"
        )
        raise
    noted.unlink(missing_ok=True)
