"""Whether the program has saved: a file of its own choice that is newer than the notice.

The pattern is the user's, so it is looked at by a process with the user's rights, for a bounded
time: a file server may not answer, and a pattern may match a whole disk.
"""

from __future__ import annotations

import glob
import os
import select
import signal
import stat
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from hai.agent.environment import ProgramAccount

LOOK_SECONDS = 5.0
MOST_FILES = 100_000
MAX_PATH = 1000  # bytes of the path that are passed on


def newer_file(account: ProgramAccount, folder: str, pattern: str, than: float) -> str:
    """A regular file that matches, or lies below a folder that does, and was written after `than`
    (Unix seconds); "" if there is none or it is not found in time."""
    answer, answer_end = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            signal.set_wakeup_fd(-1)
            signal.setitimer(signal.ITIMER_REAL, LOOK_SECONDS + 1.0)  # should the agent die
            account.become()
            os.chdir(folder)
            os.write(answer_end, os.fsencode(find(pattern, than))[:MAX_PATH])
        finally:
            os._exit(0)
    os.close(answer_end)
    try:
        poll = select.poll()
        poll.register(answer, select.POLLIN)
        data = os.read(answer, MAX_PATH) if poll.poll(int(LOOK_SECONDS * 1000)) else b""
    except OSError:
        data = b""
    finally:
        os.close(answer)
        _end(pid)
    return data.decode("utf-8", "replace")


def _end(pid: int) -> None:
    """Not waited for when the kernel cannot end it: a file server that does not answer."""
    try:
        os.kill(pid, signal.SIGKILL)
        until = time.monotonic() + 1.0
        while os.waitpid(pid, os.WNOHANG) == (0, 0) and time.monotonic() < until:
            time.sleep(0.005)
    except (ChildProcessError, ProcessLookupError):
        return


def find(pattern: str, than: float) -> str:
    """As `newer_file`, here and now."""
    looked = 0
    for path in _files(pattern):
        looked += 1
        try:
            info = os.stat(path)
        except OSError:
            continue
        if stat.S_ISREG(info.st_mode) and info.st_mtime > than:
            return path
        if looked >= MOST_FILES:
            break
    return ""


def _files(pattern: str) -> Iterator[str]:
    for path in glob.iglob(pattern, recursive=True):
        if not os.path.isdir(path):
            yield path
            continue
        for folder, _, names in os.walk(path):
            for name in names:
                yield os.path.join(folder, name)
