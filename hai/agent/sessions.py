"""Channels into this worker: each is a process of its own (hai/agent/channel/serve.py), which lives
no longer than the program.

The agent itself carries nothing: whatever comes through a channel cannot hold it up or break it.
"""

from __future__ import annotations

import json
import os
import signal
import sys

from hai.agent import files, processes
from hai.agent.setup import archive_path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from hai.agent.environment import ProgramAccount
    from hai.agent.spec import WorkerSpec

MOST = 64  # at once; the server allows fewer
CLOSE_SECONDS = 2.0  # that they have once the program has ended
_REMEMBERED = 1000


class ChannelProcesses:
    """`environment` is the program's own. Main thread only."""

    def __init__(
        self, spec: WorkerSpec, account: ProgramAccount, environment: dict[str, str]
    ) -> None:
        self._spec = spec
        self._account = account
        self._environment = environment
        self._known: list[str] = []  # the server asks until somebody comes
        self._pids: set[int] = set()
        self._closing_since: float | None = None

    def open(self, wanted: list[dict[str, Any]]) -> None:
        """Start those that are new."""
        for one in wanted:
            name, token = str(one.get("id")), str(one.get("token"))
            if name in self._known or len(self._pids) >= MOST:
                continue
            self._known = [*self._known[-_REMEMBERED:], name]
            try:
                self._pids.add(self._start(name, token))
            except OSError as error:  # the client is told that nobody came
                files.complain(f"channel: {error}")

    def reaped(self, pid: int) -> None:
        self._pids.discard(pid)

    def close(self, now: float) -> bool:
        """End all of them; True once none lives, or they had their time."""
        if self._closing_since is None:
            self._closing_since = now
            processes.signal_all(list(self._pids), signal.SIGTERM)
        if not self._pids:
            return True
        if now - self._closing_since < CLOSE_SECONDS:
            return False
        for pid in list(self._pids):
            processes.signal_all([*processes.descendants(pid), pid], signal.SIGKILL)
        return True

    def _start(self, name: str, token: str) -> int:
        order = os.memfd_create("channel")  # not in the command line, which everybody can read
        try:
            os.write(order, json.dumps(self._order(name, token)).encode())
            os.lseek(order, 0, os.SEEK_SET)
            argv = [sys.executable, "-I", "-S", archive_path(), "channel", "-"]
            nothing = (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)
            return os.posix_spawn(
                sys.executable,
                argv,
                os.environ,
                file_actions=[(os.POSIX_SPAWN_DUP2, order, 0), nothing],
            )
        finally:
            os.close(order)

    def _order(self, name: str, token: str) -> dict[str, Any]:
        spec, account = self._spec, self._account
        return {
            "id": name,
            "token": token,
            "key": spec.key,
            "url": spec.server_url,
            "agent": os.getpid(),
            "user": spec.user,
            "workspace": spec.workspace,
            "control_dir": spec.control_dir,
            "address": spec.address,
            "in_container": spec.in_container,
            "processes": spec.processes,
            "capabilities": spec.capabilities,
            "environment": self._environment,
            "account": {
                "uid": account.uid,
                "gid": account.gid,
                "groups": account.groups,
                "drops": account.drops,
            },
        }
