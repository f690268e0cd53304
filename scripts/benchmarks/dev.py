"""What a dev container costs a person: from `dev start` to an answer of a kernel, against bare
JupyterLab; the echo of a key through `hai-cli ssh`; 100 MB through the door."""

import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2
from websockets.sync.client import connect

from scripts.benchmarks.channels import echo_figures
from scripts.benchmarks.figures import Figure, figure
from scripts.benchmarks.platform import Platform, platform
from tests.acceptance.door_site import ECHO, door_settings
from tests.live import free_port
from tests.sshd import sshd

STARTS = 5
TRANSFERS = 5
BLOB = bytes(range(256)) * 4096 * 100
_PIECES = len(BLOB) // 65536
_PATIENCE_SECONDS = 120.0
_STARTS_TARGET, _TRANSFER_TARGET = 1.5, 3.0
LAB = "lab"


class _Lab:
    """A JupyterLab at `origin`; names below localhost are this machine."""

    def __init__(self, origin: str, headers: dict[str, str]) -> None:
        parts = urlsplit(origin)
        self._origin, self._port, self._headers = origin, parts.port or 80, headers
        own = {**headers, "Host": parts.netloc}
        url = f"http://127.0.0.1:{self._port}"
        self.http = httpx2.Client(base_url=url, headers=own, timeout=_PATIENCE_SECONDS)

    def has_answered(self) -> bool:
        """Whether a new kernel has run a cell."""
        try:
            made = self.http.post("/api/kernels", json={"name": "python3"})
        except httpx2.TransportError:
            return False
        if made.status_code != 201:
            return False
        address = f"ws{self._origin.removeprefix('http')}/api/kernels/{made.json()['id']}/channels"
        link = socket.create_connection(("127.0.0.1", self._port))
        origin: Any = self._origin
        with connect(
            address, sock=link, origin=origin, additional_headers=self._headers, proxy=None
        ) as channel:
            head = {"msg_id": uuid.uuid4().hex, "msg_type": "execute_request", "username": ""}
            head |= {"session": uuid.uuid4().hex, "version": "5.3", "date": ""}
            content = {"code": "print(42)", "silent": False, "allow_stdin": False}
            message: dict[str, Any] = {"header": head, "parent_header": {}, "metadata": {}}
            channel.send(json.dumps({**message, "content": content, "channel": "shell"}))
            while json.loads(channel.recv(timeout=_PATIENCE_SECONDS))["msg_type"] != "stream":
                pass
        return True


def dev() -> list[Figure]:
    """On one local node, with the JupyterLab of this environment."""
    with platform(settings=door_settings()) as live, sshd(live.folder) as server:
        bare, over = [], []
        for number in range(STARTS):
            bare.append(_bare_start())
            over.append(_dev_start(live) - bare[-1])  # of a moment with the same load
            if number < STARTS - 1:
                _dev_stop(live)
        task = _task(live)
        echoes = echo_figures(live, task, server)
        up, down = _transfers(live)
    return [
        figure("bare JupyterLab to an answer of a kernel", bare, "s", "<=", _PATIENCE_SECONDS),
        figure(
            "`dev start` to an answer of a kernel, over bare",
            over,
            "s",
            "<=",
            _STARTS_TARGET,
        ),
        *echoes,
        figure("100 MB up through the door", up, "s", "<=", _TRANSFER_TARGET),
        figure("100 MB down through the door", down, "s", "<=", _TRANSFER_TARGET),
    ]


def _bare_start() -> float:
    """Seconds."""
    port, token = free_port(), secrets.token_hex(16)
    words = ["-m", "jupyterlab", "--no-browser", "--allow-root", f"--ServerApp.port={port}"]
    environment = {**os.environ, "JUPYTER_TOKEN": token}
    with tempfile.TemporaryDirectory(prefix="hai-bench-lab-", dir="/tmp") as folder:
        began = time.perf_counter()
        with (Path(folder) / "log").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, *words],
                cwd=folder,
                env={**environment, "HOME": folder},
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        try:
            _until_answered(_Lab(f"http://127.0.0.1:{port}", {"Authorization": f"token {token}"}))
            return time.perf_counter() - began
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _until_answered(lab: _Lab) -> None:
    deadline = time.monotonic() + _PATIENCE_SECONDS
    with lab.http:
        while not lab.has_answered():
            if time.monotonic() > deadline:
                raise SystemExit("no kernel answers")
            time.sleep(0.02)


def _hai(live: Platform, *words: str) -> str:
    command = live.command("hai-cli", *words)
    done = subprocess.run(
        command, env=live.environment, cwd=live.folder, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(f"{' '.join(words)}: {done.stderr}")
    return done.stdout.strip()


def _dev_start(live: Platform) -> float:
    """Seconds, two starts of hai-cli and the way through the door included."""
    (live.folder / "echo.py").write_text(ECHO)
    run = f"{sys.executable} -u echo.py $HAI_SERVICE_PORT"
    service = f"echo:{free_port()}={run}"
    began = time.perf_counter()
    _hai(live, "dev", "start", LAB, "--py-venv", sys.prefix, "--service", service)
    origin, cookie = _entered(_hai(live, "dev", "open", LAB, "--print"))
    _until_answered(_Lab(origin, {"Cookie": cookie}))
    return time.perf_counter() - began


def _entered(link: str) -> tuple[str, str]:
    """The origin, and the cookie that a browser would have there."""
    parts = urlsplit(link)
    url = f"http://127.0.0.1:{parts.port}{parts.path}?{parts.query}"
    reply = httpx2.get(url, headers={"Host": parts.netloc}, timeout=_PATIENCE_SECONDS)
    if reply.status_code != 303:
        raise SystemExit(f"the door: {reply.text}")
    return f"{parts.scheme}://{parts.netloc}", reply.headers["set-cookie"].partition(";")[0]


def _dev_stop(live: Platform) -> None:
    _hai(live, "dev", "stop", LAB)
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while json.loads(_hai(live, "dev", "list", "-o", "json"))[0]["state"] != "stopped":
        if time.monotonic() > deadline:
            raise SystemExit("the container does not stop")


def _task(live: Platform) -> str:
    return str(json.loads(_hai(live, "dev", "list", "-o", "json"))[0]["id"])


@contextmanager
def _visitor(live: Platform) -> Iterator[httpx2.Client]:
    origin, cookie = _entered(_hai(live, "dev", "open", LAB, "echo", "--print"))
    with _Lab(origin, {"Cookie": cookie}).http as http:
        yield http


def _transfers(live: Platform) -> tuple[list[float], list[float]]:
    """Seconds up and down, of each transfer."""
    up, down = [], []
    with _visitor(live) as http:
        for _ in range(TRANSFERS):
            began = time.perf_counter()
            told = http.post("/count", content=BLOB).text
            up.append(time.perf_counter() - began)
            if not told.startswith(f"{len(BLOB)} "):
                raise SystemExit(f"not all arrived: {told}")
            began = time.perf_counter()
            with http.stream("GET", f"/flow?{_PIECES}") as reply:
                size = sum(len(part) for part in reply.iter_raw())
            down.append(time.perf_counter() - began)
            if size != len(BLOB):
                raise SystemExit(f"not all came: {size}")
    return up, down
