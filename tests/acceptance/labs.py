"""JupyterLab in a dev container, as a browser uses it."""

import importlib.util
import json
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx2
import pytest
from websockets.sync.client import ClientConnection, connect

from tests.acceptance.person import Person

needs_jupyterlab = pytest.mark.skipif(
    importlib.util.find_spec("jupyterlab") is None, reason="needs JupyterLab (the extra dev)"
)


@contextmanager
def opened(person: Person, name: str) -> Iterator[str]:
    """The address that `dev open` tells."""
    process = person.start("dev", "open", name, "--no-browser", "--timeout", "200s")
    with process:
        assert process.stderr is not None
        try:
            said = ""
            while "http://" not in said:
                said = process.stderr.readline().decode()
                assert said, "dev open ended"
            yield "http://" + said.partition("http://")[2].strip()
        finally:
            process.terminate()
            process.communicate()


@contextmanager
def kernel(base: str, http: httpx2.Client, code: str) -> Iterator[ClientConnection]:
    """The WebSocket of a new kernel that was given the code."""
    headers = {"X-XSRFToken": http.cookies["_xsrf"]}
    made = http.post(f"{base}/api/kernels", json={"name": "python3"}, headers=headers)
    assert made.status_code == 201, made.text
    cookies = "; ".join(f"{name}={value}" for name, value in http.cookies.items())
    url = f"ws{base.removeprefix('http')}/api/kernels/{made.json()['id']}/channels"
    with connect(url, additional_headers={"Cookie": cookies}, open_timeout=60) as socket:
        head = {"msg_id": uuid.uuid4().hex, "msg_type": "execute_request", "username": ""}
        head |= {"session": uuid.uuid4().hex, "version": "5.3", "date": ""}
        content = {"code": code, "silent": False, "allow_stdin": False}
        message: dict[str, Any] = {"header": head, "parent_header": {}, "metadata": {}}
        socket.send(json.dumps({**message, "content": content, "channel": "shell"}))
        yield socket


def printed(socket: ClientConnection) -> str:
    """What the code prints first."""
    while True:
        got = json.loads(socket.recv(timeout=120))
        if got["msg_type"] == "stream":
            return str(got["content"]["text"])
        assert got["msg_type"] != "error", got
