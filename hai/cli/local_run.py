"""Running a program here: plainly, or as a simulated one-node task (`++`).

Its exit code is ours, 128 + n for signal n. Signals go on to it; terminal and stdin are its own.
"""

import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from types import FrameType
from typing import Any

from hai.errors import HaiError, NotFound

_FORWARDED = (signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)


def command_line(kind: str, program: Sequence[str], environ: Mapping[str, str]) -> list[str]:
    """The words to execute. `exec` looks FILE up on PATH unless it has a slash."""
    if kind == "python":
        found = shutil.which("python", path=environ.get("PATH"))
        return [found or sys.executable, *program]
    if kind == "bash":
        return ["bash", *program]
    return list(program)


def local_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """What a one-node task would find: one rank, itself the master, on a port that is free now."""
    return {
        **environ,
        "RANK": "0",
        "WORLD_SIZE": "1",
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_IP": "127.0.0.1",
        "MASTER_PORT": str(_free_port()),
    }


def simulated_environment(
    environ: Mapping[str, str], *, life_state: int, suspend_seconds: int | None
) -> dict[str, str]:
    """The local environment plus what makes the SDK behave as on the cluster.

    `suspend_seconds`: after so long, receive_suspend_command() says yes.
    """
    found = {
        **local_environment(environ),
        "HFAI_SIMULATE": "1",
        "HAI_SIMULATE": "1",
        "MARSV2_TASK_TYPE": "training",
        "MARSV2_WHOLE_LIFE_STATE": str(life_state),
    }
    if suspend_seconds is not None:
        found["SIMULATE_SUSPEND"] = str(suspend_seconds)
    return found


def run_here(command: Sequence[str], environ: Mapping[str, str]) -> int:
    """Runs to the end and gives the exit code; NotFound when there is no such program."""
    # Handlers stand before the child exists, so that no signal falls between. Ctrl-C and Ctrl-\
    # reach the child from the terminal itself: it decides, we wait.
    relay = _Relay()
    previous = {number: signal.signal(number, relay.pass_on) for number in _FORWARDED}
    previous |= {n: signal.signal(n, relay.absorb) for n in (signal.SIGINT, signal.SIGQUIT)}
    try:
        relay.child = _start(command, environ)
        relay.flush()
        code = relay.child.wait()
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
    return code if code >= 0 else 128 - code


class _Relay:
    def __init__(self) -> None:
        self.child: subprocess.Popen[bytes] | None = None
        self._early: list[int] = []

    def pass_on(self, number: int, _frame: FrameType | None) -> None:
        if self.child is None:
            self._early.append(number)
        else:
            self.child.send_signal(number)

    def absorb(self, number: int, _frame: FrameType | None) -> None:
        """From the terminal the child has it too; sent to us alone, it is passed on."""
        if not _in_foreground():
            self.pass_on(number, None)

    def flush(self) -> None:
        for number in self._early:
            self.pass_on(number, None)


def _in_foreground() -> bool:
    try:
        return os.tcgetpgrp(0) == os.getpgrp()
    except OSError:
        return False


def _start(command: Sequence[str], environ: Mapping[str, str]) -> subprocess.Popen[Any]:
    try:
        return subprocess.Popen(list(command), env=dict(environ))  # noqa: S603 (what was asked)
    except FileNotFoundError:
        raise NotFound(f"no program {command[0]!r}", hint="check the path and PATH") from None
    except PermissionError:
        raise HaiError(
            f"{command[0]!r} may not be executed", hint=f"chmod +x {command[0]}, or use `bash`"
        ) from None
    except OSError as error:
        raise HaiError(
            f"{command[0]!r} cannot be started: {error.strerror}",
            hint="a script needs a first line like #!/bin/sh",
        ) from None


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
