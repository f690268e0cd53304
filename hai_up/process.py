"""The server as a process: found, started and stopped, never mixed up with another one.

A process is known by its pid, the tick at which the kernel started it and the boot that it belongs
to, so that a recycled pid or a pid file from before a reboot is recognised.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from hai.errors import Conflict, PlatformError
from hai.files import open_lock, try_lock
from hai_up.files import os_error, read_text, write_private
from hai_up.layout import Layout

LOG_BYTES = 16 * 2**20
# The client's own settings; one of them (HAI_SERVER) would read as a section of the server's.
_NOT_FOR_SERVER = frozenset({"HAI_SERVER", "HAI_TOKEN", "HAI_CONF", "HAI_DATABASE_URL"})


@dataclass(frozen=True, slots=True)
class Process:
    """`started_ticks` is field 22 of /proc/<pid>/stat."""

    pid: int
    started_ticks: int
    boot_id: str

    def is_alive(self) -> bool:
        return process_of(self.pid) == self


def boot_id() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def process_of(pid: int) -> Process | None:
    """The process that has this pid now; None if none has, or only a zombie."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    state, started_ticks = fields[0], int(fields[19])
    return None if state in "ZX" else Process(pid, started_ticks, boot_id())


def find_server(layout: Layout) -> Process | None:
    """The server of this data folder: by its pid file or, if that is lost, by its command line."""
    text = read_text(layout.pid)
    if text is not None:
        with suppress(ValueError, TypeError):
            process = Process(**json.loads(text))
            if process.is_alive():
                return process
    wanted = ["run", "--config", os.fspath(layout.config)]
    return next(processes_by_command(layout, wanted), None)


def processes_by_command(layout: Layout, wanted: list[str]) -> Iterator[Process]:
    """Processes of root or the folder's owner whose command line ends with these words."""
    owners = {0, _owner(layout.root)}  # anybody can give a process such a command line
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            words = (folder / "cmdline").read_bytes().decode("utf-8", "replace").split("\0")
            if words[-1 - len(wanted) : -1] == wanted and folder.stat().st_uid in owners:
                process = process_of(int(folder.name))
                if process is not None:
                    yield process


def _owner(path: Path) -> int:
    """The uid; -1 when there is no such file."""
    try:
        return path.stat().st_uid
    except OSError:
        return -1


def has_stale_pid(layout: Layout) -> bool:
    """True if the pid file names a server that is gone."""
    return layout.pid.exists() and find_server(layout) is None


def server_command(*words: str) -> list[str]:
    """`hai-server` of this very installation. -P: the working directory is not searched."""
    return [sys.executable, "-P", "-m", "hai.server.main", *words]


def server_environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name not in _NOT_FOR_SERVER}
    paths = kept.get("PYTHONPATH", "").split(os.pathsep)
    absolute = os.pathsep.join(os.fspath(Path(path).absolute()) for path in paths if path)
    return {**kept, **({"PYTHONPATH": absolute} if absolute else {}), "PYTHONUNBUFFERED": "1"}


def start_server(layout: Layout) -> Process:
    """Start the daemon in a session of its own; its output goes to the log. Does not wait."""
    if layout.log.exists() and layout.log.stat().st_size > LOG_BYTES:
        layout.log.replace(layout.log.with_name("server.log.1"))
    handle = os.open(layout.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        child = subprocess.Popen(  # noqa: S603 - our own program
            server_command("run", "--config", os.fspath(layout.config)),
            stdin=subprocess.DEVNULL,
            stdout=handle,
            stderr=handle,
            cwd=layout.root,
            env=server_environment(),
            start_new_session=True,
        )
    except OSError as error:
        raise os_error("cannot start hai-server", error) from error
    finally:
        os.close(handle)
    process = process_of(child.pid)
    if process is None:
        raise PlatformError("hai-server ended at once", hint=f"its log is {layout.log}")
    write_private(layout.pid, json.dumps(asdict(process)) + "\n")
    return process


def stop_process(process: Process, *, seconds: float) -> bool:
    """SIGTERM, then SIGKILL after `seconds`. True if it left by itself."""
    left = True
    if process.is_alive():
        _signal(process, signal.SIGTERM)
        left = wait_until(lambda: not process.is_alive(), seconds)
        if not left:
            _signal(process, signal.SIGKILL)
            wait_until(lambda: not process.is_alive(), 10)
    return left


def _signal(process: Process, number: signal.Signals) -> None:
    try:
        os.kill(process.pid, number)
    except ProcessLookupError:
        return
    except PermissionError as error:
        raise PlatformError(
            f"the server (pid {process.pid}) belongs to another user",
            hint="run this as the user who started it, or as root",
        ) from error


def wait_until(is_done: Callable[[], bool], seconds: float, *, step_seconds: float = 0.05) -> bool:
    """Ask until the answer is yes (True) or the time is over (False)."""
    deadline = time.monotonic() + seconds
    while not is_done():
        if time.monotonic() >= deadline:
            return False
        time.sleep(step_seconds)
    return True


@contextmanager
def locked(layout: Layout, say: Callable[[str], None], *, seconds: float = 120) -> Iterator[None]:
    """Hold the folder for one hai-up at a time. Conflict when another keeps it for too long."""
    handle = _try_lock(layout.lock)
    if handle is None:
        say(f"another hai-up is at work on {layout.root}: waiting for it")
        held: list[int] = []

        def get() -> bool:
            taken = _try_lock(layout.lock)
            held.extend([] if taken is None else [taken])
            return taken is not None

        if not wait_until(get, seconds, step_seconds=0.1):
            raise Conflict(
                f"another hai-up has been at work on {layout.root} for {seconds:.0f} s",
                hint="see what it does with: ps aux | grep hai-up",
            )
        handle = held[0]
    try:
        yield
    finally:
        os.close(handle)


def _try_lock(path: Path) -> int | None:
    """A locked handle; None while another process has it (or has just removed the folder)."""
    try:
        handle = open_lock(path)
    except OSError as error:
        raise os_error(f"cannot open {path}", error) from error
    if try_lock(handle) and os.fstat(handle).st_nlink:
        return handle
    os.close(handle)
    return None
