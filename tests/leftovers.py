"""No process of a test run outlives it, however it ends: a watcher waits for the end of pytest and
ends what is left then.

What belongs to the run carries its mark in the environment, or names one of its folders there, in
its command line or as its working directory: servers, agents and PostgreSQL leave sessions and
parents behind on purpose. Clusters are taken down by their own script instead.
"""

import json
import os
import re
import secrets
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

MARK = "TESTS_OF_HAI"  # the variable; not HAI_...: those are taken out of environments
ROUNDS = 20  # of looking for what is left: a process may just be starting another
PAUSE_SECONDS = 0.25
_LOOK_SECONDS = 1.0


@dataclass(slots=True)
class Watcher:
    """The end of its pipe that a test process holds."""

    pipe: int
    process: "subprocess.Popen[bytes]"

    def say(self, sign: str, item: object) -> None:
        with suppress(BrokenPipeError):
            os.write(self.pipe, f"{sign}{json.dumps(item)}\n".encode())


_watchers: list[Watcher] = []  # of this process: none or one


@contextmanager
def keeping(**item: object) -> Iterator[None]:
    """Until the body ends, the watcher has to see to this as well: `folder` (its processes; with
    `remove`, itself too) or `command` (run it)."""
    if not _watchers:
        _watchers.append(_start())
    _watchers[0].say("+", item)
    try:
        yield
    finally:
        _watchers[0].say("-", item)


def close() -> None:
    """The run is over: what its tests left is ended now."""
    while _watchers:
        watcher = _watchers.pop()
        os.close(watcher.pipe)
        watcher.process.wait()


def _start() -> Watcher:
    """From now on whatever this process starts carries the mark."""
    mark = f"{os.getpid()}-{secrets.token_hex(8)}"
    reading, writing = os.pipe()
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.leftovers", mark],
        cwd=Path(__file__).parents[1],
        stdin=reading,
        stdout=subprocess.DEVNULL,
        env={name: value for name, value in os.environ.items() if name != MARK},
        start_new_session=True,
    )
    os.close(reading)
    os.environ[MARK] = mark
    return Watcher(writing, process)


# in the watcher


@dataclass(slots=True)
class Kept:
    items: list[dict[str, object]] = field(default_factory=list)

    def hear(self, line: bytes) -> None:
        item = json.loads(line[1:])
        if line[:1] == b"+":
            self.items.append(item)
        elif item in self.items:
            self.items.remove(item)


def watch(mark: str) -> None:
    """Until the test process is gone; then clear up."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    kept, rest, parent = Kept(), b"", os.getppid()
    while os.getppid() == parent:  # a fork of it may hold the pipe open
        if not select.select([0], [], [], _LOOK_SECONDS)[0]:
            continue
        data = os.read(0, 65536)
        if not data:
            break
        *lines, rest = (rest + data).split(b"\n")
        for line in lines:
            kept.hear(line)
    clear_up(mark, kept)


def clear_up(mark: str, kept: Kept) -> None:
    for item in kept.items:
        if command := item.get("command"):
            subprocess.run(command, check=False, timeout=180, capture_output=True)  # type: ignore[call-overload]
    folders = [os.fsencode(str(item["folder"])) for item in kept.items if "folder" in item]
    named = b"|".join(map(re.escape, [f"{MARK}={mark}".encode(), *folders]))
    sign = re.compile(b"(?:" + named + rb")(?![\w.-])")  # pytest-5 is not pytest-50
    for _ in range(ROUNDS):
        left = [pid for pid in _pids() if _belongs(pid, sign)]
        for pid in left:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        if not left:
            break
        time.sleep(PAUSE_SECONDS)
    for item in kept.items:
        if item.get("remove"):
            shutil.rmtree(str(item["folder"]), ignore_errors=True)


def _pids() -> list[int]:
    own = os.getpid()
    return [int(name) for name in os.listdir("/proc") if name.isdigit() and int(name) != own]  # noqa: PTH208


def _belongs(pid: int, sign: "re.Pattern[bytes]") -> bool:
    folder = Path(f"/proc/{pid}")
    looks: tuple[Callable[[], bytes], ...] = (
        (folder / "environ").read_bytes,
        (folder / "cmdline").read_bytes,
        lambda: os.fsencode((folder / "cwd").readlink()),
    )
    for look in looks:
        with suppress(OSError):
            if sign.search(look()):
                return True
    return False


if __name__ == "__main__":
    watch(sys.argv[1])
