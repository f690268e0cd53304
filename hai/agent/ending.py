"""How a worker ended, in the words of its last report."""

from __future__ import annotations

import os
import signal

TERMINATED = 128 + signal.SIGTERM
KILLED = 128 + signal.SIGKILL
CUT_OFF = "killed: still running after SIGTERM"  # hai/core/losses.py knows these two, too
NOT_STARTED = "not started"  # the machine's trouble, before the program was


class WorkerEnding:
    """`exit_code` by the shell's convention. `is_lost`: the program did not come to its end, its
    worker was taken from it, or could not start it."""

    def __init__(self, exit_code: int, detail: str = "", *, is_lost: bool = False) -> None:
        self.exit_code = exit_code
        self.detail = detail
        self.is_lost = is_lost


def ending_of(status: int | None, *, is_cut_off: bool) -> WorkerEnding:
    """By the main process's wait status. `is_cut_off`: something that came of it was killed while
    it may have been saving; a main process that left by its own exit had its say before."""
    if status is None:
        return WorkerEnding(KILLED)
    was_signalled = os.WIFSIGNALED(status)
    return WorkerEnding(shell_code(status), CUT_OFF if is_cut_off and was_signalled else "")


def shell_code(status: int) -> int:
    """The shell's exit code of a wait status."""
    if os.WIFSIGNALED(status):
        return 128 + os.WTERMSIG(status)
    return os.WEXITSTATUS(status)
