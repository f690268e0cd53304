"""Who handles a signal: masks of /proc/<pid>/status, and real processes."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from hai.agent import processes, signals
from tests.waiting import wait_until

USR1 = int(signal.SIGUSR1)
BIT = 1 << (USR1 - 1)


def status(caught: int = 0, blocked: int = 0, ignored: int = 0) -> bytes:
    return (
        f"Name:\tx\nSigQ:\t0/1\nSigBlk:\t{blocked:016x}\nSigIgn:\t{ignored:016x}\n"
        f"SigCgt:\t{caught:016x}\nCapInh:\t0\n"
    ).encode()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (status(caught=BIT), True),
        (status(caught=~BIT & 2**64 - 1), False),
        (status(ignored=BIT), False),
        (status(blocked=BIT), False),
        (status(caught=BIT, blocked=BIT), True),
        (b"", False),
    ],
)
def test_a_handler_is_seen(text: bytes, expected: bool) -> None:
    assert signals.has_handler(text, USR1) is expected


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        ([status(blocked=BIT)], True),
        ([status(blocked=BIT), status(blocked=BIT)], True),
        ([status(blocked=BIT), status()], False),
        ([status(blocked=BIT, ignored=BIT)], False),
        ([status(), b""], False),
        ([], False),
    ],
)
def test_held_back_means_by_every_thread(texts: list[bytes], expected: bool) -> None:
    assert signals.is_held_back(texts, USR1) is expected


HANDLES = "import signal; signal.signal(signal.SIGUSR1, lambda *_: print('got', flush=True))"
WAITS = (
    "import signal, time; signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1}); "
    "print('up', flush=True)\nwhile not signal.sigpending(): time.sleep(0.01)\n"
    "print('got', flush=True)"
)


@contextmanager
def python(code: str) -> Iterator["subprocess.Popen[bytes]"]:
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == b"up\n"
        wait_until(lambda: signals._age_seconds(process.pid) > signals.SETTLED_SECONDS)
        yield process
    finally:
        process.kill()
        process.communicate()


def said(process: "subprocess.Popen[bytes]") -> bytes:
    assert process.stdout is not None
    return process.stdout.readline()


def test_each_that_handles_it_gets_it_once_and_nobody_else_dies() -> None:
    forever = "; print('up', flush=True)\nwhile True: signal.pause()"
    plain = "import time; print('up', flush=True); time.sleep(60)"
    ignoring = "import signal; signal.signal(signal.SIGUSR1, signal.SIG_IGN)" + forever
    with python(HANDLES + forever) as one, python(plain) as two, python(ignoring) as three:
        sender = signals.HandlerSignal(USR1)
        pids = [one.pid, two.pid, three.pid]
        assert sender.deliver(pids) == 1
        assert said(one) == b"got\n"
        assert sender.deliver(pids) == 0
        assert [process.poll() for process in (one, two, three)] == [None, None, None]


def test_who_holds_it_back_gets_it_at_the_second_look() -> None:
    with python(WAITS) as waiting:
        sender = signals.HandlerSignal(USR1)
        assert [sender.deliver([waiting.pid]) for _ in range(3)] == [0, 1, 0]
        assert said(waiting) == b"got\n"


def test_a_process_that_was_just_forked_is_left_for_the_next_look() -> None:
    """It has its parent's handlers until it runs something else."""
    child = os.fork()
    if child == 0:
        signal.signal(signal.SIGUSR1, lambda *_: os._exit(7))
        time.sleep(60)
        os._exit(0)
    try:
        sender = signals.HandlerSignal(USR1)
        assert signals._age_seconds(child) > signals.SETTLED_SECONDS or not sender.deliver([child])
        wait_until(lambda: sender.deliver([child]) == 1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
    except BaseException:
        processes.signal_all([child], signal.SIGKILL)
        raise
