"""What editors do over ssh (VS Code, for one): a long script into a remote bash, which stays, and a
SOCKS port beside it, several at once, without a shared connection."""

import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.acceptance.forwarding import SERVES, exchanged
from tests.acceptance.person import Person
from tests.acceptance.tasks import running, stopped
from tests.live import Live, free_port
from tests.waiting import PATIENCE_SECONDS, wait_until

pytestmark = [
    pytest.mark.acceptance,
    pytest.mark.skipif(
        not Path("/usr/sbin/sshd").exists() or shutil.which("ssh") is None,
        reason="needs OpenSSH's client and server",
    ),
]
_LINES = 20_000  # about 800 KB: more than any pipe or window on the way holds


@contextmanager
def _session(config: Path, task: int, mark: str) -> Iterator[int]:
    """A bash that has read its whole script and waits; the SOCKS port of its connection."""
    port = free_port()
    words = ["ssh", "-F", str(config), "-T", "-D", f"127.0.0.1:{port}", f"hai-{task}", "bash"]
    padding = f"count=$((count + 1))  # {mark}, and some words\n" * _LINES
    script = f"count=0\n{padding}test -t 0 || echo {mark} $HAI_TASK_ID $count\n"
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.write(script.encode())
            process.stdin.flush()
            assert process.stdout.readline().decode() == f"{mark} {task} {_LINES}\n"
            yield port
            process.stdin.write(b"exit 7\n")
            process.stdin.close()
            assert process.wait(PATIENCE_SECONDS) == 7
        finally:
            process.kill()


def _through_socks(port: int, target: int) -> socket.socket:
    """Connected to a port of the task's loopback, as a SOCKS 5 client."""
    call = socket.create_connection(("127.0.0.1", port), PATIENCE_SECONDS)
    call.sendall(b"\5\1\0")
    assert call.recv(2, socket.MSG_WAITALL) == b"\5\0"
    call.sendall(b"\5\1\0\1" + socket.inet_aton("127.0.0.1") + target.to_bytes(2, "big"))
    assert call.recv(10, socket.MSG_WAITALL)[:2] == b"\5\0", "connected"
    return call


def test_an_editor_s_sessions(hai: Person, shared_live: Live, tmp_path: Path) -> None:
    task = running(shared_live, "edits.py", text=SERVES)
    home = tmp_path / "home"
    (home / ".ssh").mkdir(parents=True)
    assert hai("ssh", "--config", HOME=str(home)).code == 0
    wait_until(lambda: "ports" in shared_live.text(task), what="the program's ports")
    echo = int(shared_live.text(task).split()[2])
    data = bytes(range(256)) * 2000
    with ExitStack() as stack:
        marks = ("first", "second", "third")
        config = home / ".ssh" / "config"
        ports = [stack.enter_context(_session(config, task, mark)) for mark in marks]
        for port in ports:
            call = stack.enter_context(_through_socks(port, echo))
            call.setblocking(False)
            assert exchanged(call, data) == data
    stopped(shared_live, task)
