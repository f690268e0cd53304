"""One worker's directory: all that the launcher and the agent know of each other.

spec.json    launcher  the order, with the token (0600)
agent.lock   agent     flock held for its whole life
agent.pid    agent     {pid, pid_start, boot_id, cgroup}
started      agent     the program was started; no agent will ever start it again
exit.json    agent     {exit_code, detail, ended_at, usage, acked, saved, lost}
cancelled    launcher  killed; no agent will ever start it
agent.err    launcher  stderr of the agent itself
control/     agent     where the agent and the program meet
"""

import fcntl
import json
import os
import secrets
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hai.files import write_whole

MAX_NOTE_BYTES = 4096


@dataclass(frozen=True, slots=True)
class AgentProcess:
    """Who holds (or held) the lock; `boot_id` says in which life of the machine. `cgroup` is the
    folder of the control group that holds the agent and all that came of it ("": it has none)."""

    pid: int
    pid_start: int
    boot_id: str
    cgroup: str = ""


@dataclass(frozen=True, slots=True)
class WorkerEnd:
    """The agent's report. `is_lost`: the worker was taken from its program, or never started it."""

    exit_code: int
    detail: str
    acked: bool
    saved: bool
    is_lost: bool = False


class WorkerDir:
    """Methods raise OSError when the disk refuses; reading what is not there gives None."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def create(self, mode: int | None = None) -> None:
        """With `mode` (0700 when None and it is new); harmless when it exists."""
        self.path.mkdir(mode=0o700, exist_ok=True)
        if mode is not None and self.path.stat().st_mode & 0o777 != mode:
            self.path.chmod(mode)

    def has(self, name: str) -> bool:
        return (self.path / name).exists()

    @property
    def is_settled(self) -> bool:
        """Was started, has ended or was killed: no agent is to be started for it."""
        return self.has("started") or self.has("exit.json") or self.has("cancelled")

    def is_locked(self) -> bool:
        """An agent lives. Never waits; the lock is touched for a moment at most."""
        try:
            fd = os.open(self.path / "agent.lock", os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        try:
            fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(fd)
        return False

    def write_spec(self, spec: Mapping[str, Any]) -> None:
        """In one step, readable for nobody else: it holds the worker's token."""
        write_whole(self.path / "spec.json", json.dumps(spec), mode=0o600)

    def spec(self) -> dict[str, Any] | None:
        return self._object("spec.json")

    def cancel(self) -> None:
        """From here on no agent starts anything."""
        fd = os.open(self.path / "cancelled", os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        os.close(fd)

    def agent(self) -> AgentProcess | None:
        data = self._object("agent.pid")
        if data is None:
            return None
        try:
            who = int(data["pid"]), int(data["pid_start"]), str(data["boot_id"])
            return AgentProcess(*who, cgroup=str(data.get("cgroup") or ""))
        except (KeyError, TypeError, ValueError):
            return None

    def groups(self) -> list[str]:
        """Folders of control groups that bound it besides its own."""
        found = (self._object("bounds.json") or {}).get("groups")
        return [str(path) for path in found] if isinstance(found, list) else []

    def end(self) -> WorkerEnd | None:
        data = self._object("exit.json")
        if data is None:
            return None
        try:
            words = [bool(data.get(name)) for name in ("acked", "saved", "lost")]
            return WorkerEnd(int(data["exit_code"]), str(data.get("detail") or ""), *words)
        except (KeyError, TypeError, ValueError):
            return None

    def agent_note(self) -> str:
        """The last line that the agent itself printed."""
        try:
            with (self.path / "agent.err").open("rb") as file:
                size = file.seek(0, os.SEEK_END)
                file.seek(max(0, size - MAX_NOTE_BYTES))
                lines = file.read().decode("utf-8", "replace").split("\n")
        except OSError:
            return ""
        return next((line.strip() for line in reversed(lines) if line.strip()), "")

    def remove(self) -> None:
        """Out of sight in one step, then off the disk."""
        trash = self.path.with_name(f".{self.path.name}.{secrets.token_hex(4)}")
        try:
            self.path.rename(trash)
        except FileNotFoundError:
            return
        remove_tree(trash)

    def _object(self, name: str) -> dict[str, Any] | None:
        try:
            data = json.loads((self.path / name).read_bytes())
        except (FileNotFoundError, ValueError):
            return None
        return data if isinstance(data, dict) else None


def remove_tree(path: Path) -> None:
    """OSError when something stays. By rm: programs may nest folders in their control directory
    so deeply that shutil.rmtree would take all of this process's descriptors, and its stack."""
    done = subprocess.run(  # noqa: S603 - no shell
        ["rm", "-rf", "--", os.fspath(path)],  # noqa: S607 - wherever it is
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        check=False,
    )
    if done.returncode:
        why = done.stderr.decode("utf-8", "replace").strip()[:200]
        raise OSError(why or f"rm ended with status {done.returncode}")
