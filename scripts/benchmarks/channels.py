"""What a channel costs a person: the echo of a keystroke through `hai-cli ssh` and `hai-cli shell`,
against OpenSSH alone on the loopback; and a copy of 100 MB."""

import os
import pty
import select
import signal
import subprocess
import time
import tty
from statistics import median

import httpx2

from scripts.benchmarks.figures import Figure, figure
from scripts.benchmarks.platform import Platform, platform
from tests.sshd import Sshd, sshd

KEYS = 400
WARM_UP = 20
BLOB_BYTES = 100 * 2**20
_PATIENCE_SECONDS = 60
_ECHO = "stty raw -echo; echo ready; exec cat"


def channels() -> list[Figure]:
    """Echo and copy, on one local node."""
    with platform() as live, sshd(live.folder) as server:
        task = _sleeper(live)
        echoes = echo_figures(live, task, server)
        copied = [_copied(live, task) for _ in range(3)]
    return [*echoes, figure("100 MB out of a task, `hai-cli cp`", copied, "s", "<=", 10)]


def echo_figures(live: Platform, task: str, server: Sshd) -> list[Figure]:
    """Through plain OpenSSH to `server`, and the platform's two ways to the running task."""
    plain = ["ssh", "-F", str(server.home / ".ssh" / "config"), server.name, _ECHO]
    alone = median(_echoes(plain, live))
    entered = _echoes(live.command("hai-cli", "ssh", task, "--", _ECHO), live)
    shell = _echoes(live.command("hai-cli", "shell", task, "--", _ECHO), live)
    return [
        figure("echo of a key, plain ssh", [alone], "ms", "<=", 1000),
        figure(
            "echo of a key, `hai-cli ssh` over plain ssh",
            [took - alone for took in entered],
            "ms",
            "<=",
            10,
        ),
        figure("echo of a key, `hai-cli shell`", shell, "ms", "<=", alone + 10),
    ]


def _sleeper(live: Platform) -> str:
    """The id of a running task."""
    (live.folder / "sleep.sh").write_text("echo up\nexec sleep 3600\n")
    headers = {"Authorization": f"Bearer {live.token}"}
    spec = {"entrypoint": "sleep.sh", "workspace": str(live.folder)}
    with httpx2.Client(base_url=f"{live.url}/api/v1", headers=headers, timeout=30) as client:
        task = client.post("/tasks", json={"version": 2, "name": "sleep", "spec": spec}).json()[
            "id"
        ]
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while client.get(f"/tasks/{task}").json()["state"] != "running":
            if time.monotonic() > deadline:
                raise SystemExit("the task does not run")
            time.sleep(0.1)
    return str(task)


def _echoes(command: list[str], live: Platform) -> list[float]:
    """Milliseconds from a key to its echo on the screen."""
    pid, screen = pty.fork()
    if pid == 0:
        os.execvpe(command[0], command, live.environment)  # noqa: S606
    try:
        tty.setraw(screen)
        _until(screen, b"ready")
        took = []
        for number in range(KEYS):
            key = b"abcdefgh"[number % 8 : number % 8 + 1]
            began = time.perf_counter()
            os.write(screen, key)
            _until(screen, key)
            took.append((time.perf_counter() - began) * 1000)
            time.sleep(0.01)  # as fast as nobody types
        return took[WARM_UP:]
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        os.close(screen)


def _until(screen: int, words: bytes) -> None:
    seen = b""
    while words not in seen:
        if not select.select([screen], [], [], _PATIENCE_SECONDS)[0]:
            raise SystemExit(f"no echo; the screen: {seen!r}")
        seen += os.read(screen, 4096)


def _copied(live: Platform, task: str) -> float:
    """Seconds, the start of hai-cli included."""
    blob = live.folder / "blob"
    if not blob.exists():
        blob.write_bytes(os.urandom(BLOB_BYTES))
    target = live.folder / "copy"
    target.unlink(missing_ok=True)
    began = time.perf_counter()
    command = live.command("hai-cli", "cp", f"{task}:blob", str(target))
    subprocess.run(command, env=live.environment, check=True, capture_output=True)
    took = time.perf_counter() - began
    if target.stat().st_size != BLOB_BYTES:
        raise SystemExit("the copy is not whole")
    return took
