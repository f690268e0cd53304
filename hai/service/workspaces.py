"""Workspaces behind the API: a process of each user that reads and writes as that user, at most so
many at once, which end when they have nothing to do."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from hai.core.identity import User
from hai.core.types import TaskId, TaskState, UserName
from hai.errors import KINDS, Denied, HaiError, TooMany, Unavailable
from hai.ports import TaskQuery, Tasks
from hai.service.access import require_account
from hai.workspace import worker
from hai.workspace.twin import WorkspaceLimits

_ROOT = 0
_FIRST = TaskId(2**62)  # every task comes before it
_PAGE = 1000
_SOURCE = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class WorkspaceAnswer:
    """`body` is JSON, or a pack of pieces of files."""

    body: bytes


@dataclass(slots=True)
class _Helper:
    """The process of one user. One question at a time."""

    process: "subprocess.Popen[bytes]"
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    asked_at: float = 0.0
    waiting: int = 0

    def exchange(self, head: Mapping[str, Any], body: bytes) -> tuple[dict[str, Any], bytes]:
        source, target = self.process.stdout, self.process.stdin
        if source is None or target is None:
            raise BrokenPipeError
        worker.write(target, dict(head), body)  # type: ignore[arg-type]
        answer = worker.read(source)  # type: ignore[arg-type]
        if answer is None:
            raise BrokenPipeError
        return answer

    def end(self) -> None:
        """SIGKILL: whatever it was writing is whole or not there."""
        self.process.kill()
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout):
            if stream is not None:
                with suppress(OSError):
                    stream.close()


class WorkspaceService:
    """What users ask of their own workspaces, and of nobody else's."""

    def __init__(
        self,
        store: Tasks,
        root: Path,
        limits: WorkspaceLimits,
        *,
        processes: int,
        idle_seconds: float,
    ) -> None:
        """`root` holds a folder for each user; `processes`: of users, at once."""
        self.limits = limits
        self._store = store
        self._root = root.expanduser()
        self._most = processes
        self._idle_seconds = idle_seconds
        self._helpers: dict[UserName, _Helper] = {}
        self._threads = ThreadPoolExecutor(processes, thread_name_prefix="workspace")

    async def ask(
        self,
        user: User,
        operation: str,
        name: str = "",
        *,
        snapshot: str = "",
        body: bytes = b"",
        **arguments: object,
    ) -> WorkspaceAnswer:
        """The answer of the user's process (of a snapshot, where one is named). Raises what it
        refuses by, Denied where it would be root's, and Unavailable when it died meanwhile: nothing
        is half done, and the same request may be sent again."""
        require_account(user.name, user.uid)
        helper = self._helper(user)
        head = {"operation": operation, "name": name, "arguments": arguments}
        head["snapshot"] = snapshot
        helper.waiting += 1
        try:
            async with helper.lock:
                loop = asyncio.get_running_loop()
                found = await loop.run_in_executor(self._threads, helper.exchange, head, body)
        except (OSError, ValueError) as error:
            self._forget(user.name, helper)
            raise Unavailable("the process for your workspaces ended; try again") from error
        except asyncio.CancelledError:  # its answer would be taken for the next one's
            self._forget(user.name, helper)
            raise
        finally:
            helper.waiting -= 1
            helper.asked_at = asyncio.get_running_loop().time()
            self._end_later(user.name, helper)
        answer, content = found
        if not answer["ok"]:
            raise _refused(answer)
        return WorkspaceAnswer(content)

    async def in_use(self, user: User) -> list[str]:
        """The snapshots that tasks of the user may still run, by id."""
        found: dict[str, None] = {}
        states = frozenset(state for state in TaskState if not state.is_final)
        query = TaskQuery(user=user.name, states=states, before=_FIRST, page_size=_PAGE)
        while True:
            page = await self._store.list_tasks(query)
            for task in page.tasks:
                snapshot = task.options.get("snapshot")
                if isinstance(snapshot, Mapping):
                    found[str(snapshot.get("id"))] = None
            if len(page.tasks) < _PAGE:
                return list(found)
            query = replace(query, before=page.tasks[-1].id)

    async def close(self) -> None:
        for name, helper in list(self._helpers.items()):
            self._forget(name, helper)
        self._threads.shutdown(wait=False)

    def _helper(self, user: User) -> _Helper:
        helper = self._helpers.get(user.name)
        if helper is not None and helper.process.poll() is None:
            return helper
        if helper is not None:
            self._forget(user.name, helper)
        if len(self._helpers) >= self._most:
            self._make_place()
        helper = _Helper(self._started(user))
        self._helpers[user.name] = helper
        return helper

    def _make_place(self) -> None:
        """Ends the process that has had nothing to do for the longest."""
        idle = {name: one.asked_at for name, one in self._helpers.items() if not one.waiting}
        if not idle:
            raise TooMany(
                f"{self._most} users transfer workspaces just now", hint="try again in a moment"
            )
        name = min(idle, key=lambda name: (idle[name], name))
        self._forget(name, self._helpers[name])

    def _started(self, user: User) -> "subprocess.Popen[bytes]":
        home = self._home_of(user)
        uid, gid = self._account(user)
        process = subprocess.Popen(
            [sys.executable, "-c", "from hai.workspace.worker import main; main()"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd="/",
            env={"PYTHONPATH": str(_SOURCE), "PATH": os.defpath, "LC_ALL": "C.UTF-8"},
            start_new_session=True,
        )
        assert process.stdin is not None  # noqa: S101 (it is a pipe)
        head = {"home": str(home), "limits": asdict(self.limits), "uid": uid, "gid": gid}
        head["own"] = uid is not None or user.uid == os.geteuid()
        worker.write(process.stdin, head)  # type: ignore[arg-type]
        return process

    def _account(self, user: User) -> tuple[int | None, int | None]:
        """Whom the process runs as; None: the server's own account, the only one that it can be.
        (`ask` lets nobody come here whom root would be.)"""
        if os.geteuid() != _ROOT or user.uid is None:
            return None, None
        return user.uid, user.uid if user.gid is None else user.gid

    def _home_of(self, user: User) -> Path:
        """The user's folder, made if need be and given to the user."""
        home = self._root / user.name
        uid, gid = self._account(user)
        try:
            self._root.mkdir(0o711, parents=True, exist_ok=True)
            if not home.exists():
                home.mkdir(0o700)
                if uid is not None and gid is not None:
                    os.chown(home, uid, gid, follow_symlinks=False)
        except OSError as error:
            raise _not_as_user(home, error.strerror) from error
        owner = home.lstat().st_uid
        wanted = os.geteuid() if uid is None else uid
        if owner != wanted or home.is_symlink():
            raise _not_as_user(home, f"it belongs to uid {owner}, and files would be of {wanted}")
        return home

    def _end_later(self, name: UserName, helper: _Helper) -> None:
        loop = asyncio.get_running_loop()

        def end() -> None:
            is_idle = loop.time() - helper.asked_at >= self._idle_seconds and not helper.waiting
            if is_idle and self._helpers.get(name) is helper:
                self._forget(name, helper)

        if not helper.waiting and self._helpers.get(name) is helper:
            loop.call_later(self._idle_seconds + 0.1, end)

    def _forget(self, name: UserName, helper: _Helper) -> None:
        if self._helpers.get(name) is helper:
            del self._helpers[name]
        helper.end()


def _refused(answer: Mapping[str, Any]) -> HaiError:
    kind = KINDS.get(str(answer["code"]), HaiError)
    return kind(str(answer["message"]), hint=str(answer["hint"]))


def _not_as_user(home: Path, why: str | None) -> Denied:
    return Denied(
        f"the platform cannot keep workspaces in {home} as you: {why}",
        hint="a server that runs as root can; else use a mounted folder (--remote) or --via ssh://",
    )
