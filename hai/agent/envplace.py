"""Where a worker's program finds the environment that its task recorded.

First the copy on the node's own disk, where an admin gave a folder for that. Else the place that it
has on the shared file system, as long as that is still what was recorded. Else a copy of the pack
beside the pack. The work is done by a child process with the account's rights alone.
"""

from __future__ import annotations

import array
import contextlib
import json
import os
import select
import signal
import socket

from hai.agent.processes import reset_signals
from hai.agent.program import CannotStart

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from hai.agent.environment import ProgramAccount
    from hai.agent.envstore import EnvironmentStore
    from hai.agent.recorded import RecordedEnvironment
    from hai.agent.spec import WorkerSpec

UNPACKED = "unpacked"  # beside the packs, on the shared file system
_PASS_SECONDS = 0.1
_MOST_BYTES = 65536  # of the child's answer


class EnvironmentPlace:
    """`is_unwanted` says that the worker is to stop, `say` writes a line into its log."""

    def __init__(
        self, account: ProgramAccount, say: Callable[[str], None], is_unwanted: Callable[[], bool]
    ) -> None:
        self._account = account
        self._say = say
        self._is_unwanted = is_unwanted
        self._lock: int | None = None  # held until the agent ends

    def settle(self, spec: WorkerSpec) -> bool:
        """Points spec.py_venv to it; False when the worker was stopped. CannotStart."""
        recorded = spec.environment
        if recorded is None or recorded.follows:
            return True
        local = _own_folder(spec.env_dir, self._account) if spec.env_dir else ""
        if spec.env_dir and not local and recorded.digest:
            self._say(f"{spec.env_dir} has no folder for uid {self._account.uid} to write in")
        answer = self._ask_child(lambda: _find(recorded, local, spec.env_bytes))
        if answer is None:
            return False
        for line in answer["said"]:
            self._say(line)
        if not answer["place"]:
            why = f": {answer['why']}" if answer.get("why") else ""
            raise CannotStart(
                f"environment {recorded.name} is not any more what it was at submission "
                f"({recorded.identity}), and its pack cannot be used{why}; submit again, or with "
                "--env-follow"
            )
        spec.py_venv = answer["place"]
        return True

    def _ask_child(self, work: Callable[[], tuple[dict[str, Any], int | None]]) -> Any:
        """What `work` answers; None when the worker is to stop. CannotStart when it broke."""
        ours, theirs = socket.socketpair()
        pid = os.fork()
        if pid == 0:
            try:
                ours.close()
                os.setsid()
                signal.set_wakeup_fd(-1)
                reset_signals()
                signal.pthread_sigmask(signal.SIG_SETMASK, ())
                self._account.become()
                _send(theirs, *work())
            except BaseException as error:  # noqa: BLE001 - the boundary: nobody else hears of it
                _send(theirs, {"place": "", "said": [f"environment: {error!r}"]}, None)
            finally:
                os._exit(0)
        theirs.close()
        try:
            while not select.select([ours], [], [], _PASS_SECONDS)[0]:
                if self._is_unwanted():
                    os.kill(pid, signal.SIGKILL)
                    return None
            answer, self._lock = _receive(ours)
            return answer
        finally:
            ours.close()
            os.waitpid(pid, 0)


def _find(
    recorded: RecordedEnvironment, local: str, limit_bytes: int
) -> tuple[dict[str, Any], int | None]:
    from hai.agent.envstore import EnvironmentStore  # late: most workers need none of it
    from hai.agent.packs import TROUBLE, complete, promise_of, state_of

    said: list[str] = []
    folder = os.path.dirname(recorded.pack)
    if local and recorded.digest:
        try:
            return _copied(recorded, EnvironmentStore(local, limit_bytes), said)
        except TROUBLE as error:
            said.append(f"environment {recorded.name} is not on this node's disk: {_why(error)}")
    try:
        if state_of(recorded.place, recorded.sites) == recorded.state:
            with contextlib.suppress(OSError):  # it is in use: haienv gc keeps the promise
                os.utime(os.path.join(folder, promise_of(recorded.identity, recorded.state)))
            return {"place": recorded.place, "said": said}, None
    except OSError as error:
        said.append(f"environment {recorded.name}: {_why(error)}")
    beside = os.path.join(folder, UNPACKED)
    try:
        complete(recorded)
        return _copied(recorded, EnvironmentStore(beside, limit_bytes), said)
    except TROUBLE as error:
        said.append(f"environment {recorded.name} cannot be unpacked: {_why(error)}")
        return {"place": "", "said": said, "why": _why(error)}, None


def _copied(
    recorded: RecordedEnvironment, store: EnvironmentStore, said: list[str]
) -> tuple[dict[str, Any], int | None]:
    place, lock = store.obtain(recorded)
    with contextlib.suppress(OSError):  # gone: the copy is whole
        os.utime(recorded.pack)  # it is in use: haienv gc keeps it
    return {"place": place, "said": said}, lock


def _why(error: BaseException) -> str:
    return str(getattr(error, "strerror", None) or error)


def _own_folder(folder: str, account: ProgramAccount) -> str:
    """The account's own folder in `folder`, closed to all others; "" if it cannot be one."""
    own = os.path.join(folder, str(account.uid))
    try:
        os.makedirs(folder, 0o755, exist_ok=True)
        with contextlib.suppress(FileExistsError):
            os.mkdir(own, 0o700)
        handle = os.open(own, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError:
        return ""
    try:
        owner = os.fstat(handle).st_uid
        if owner != account.uid:
            if owner != os.geteuid():
                return ""
            os.fchmod(handle, 0o700)
            os.fchown(handle, account.uid, account.gid)
    except OSError:
        return ""
    finally:
        os.close(handle)
    return own


def _send(to: socket.socket, answer: dict[str, Any], lock: int | None) -> None:
    data = json.dumps(answer).encode()[:_MOST_BYTES]
    rights = [] if lock is None else [lock]
    ancillary = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", rights))] if rights else []
    to.sendmsg([data], ancillary)


def _receive(of: socket.socket) -> tuple[Any, int | None]:
    size = array.array("i").itemsize
    data, ancillary, _, _ = of.recvmsg(_MOST_BYTES, socket.CMSG_SPACE(size))
    locks = array.array("i")
    for level, kind, content in ancillary:
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
            locks.frombytes(content[: len(content) - len(content) % size])
    for lock in locks:
        os.set_inheritable(lock, False)
    if not data:
        raise CannotStart("environment: the process that looks for it was killed")
    return json.loads(data), locks[0] if locks else None
