"""The client's way to a channel: proxies, refusals, and servers that are none."""
# ruff: noqa: S106 - the tokens here are made up

import base64
import hashlib
import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest

from hai.agent.channel import websocket
from hai.client import channel
from hai.client.channel import connect
from hai.client.profile import Profile
from hai.errors import Denied, TimedOut, Unreachable

MAGIC = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
Answer = Callable[[str], bytes]


class Server:
    """Answers each head of one connection with what comes next."""

    def __init__(self, *answers: Answer) -> None:
        self.heads: list[str] = []
        self._answers = answers
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        connection, _ = self._listener.accept()
        with connection, suppress(ConnectionError):
            for answer in self._answers:
                head = b""
                while b"\r\n\r\n" not in head:
                    part = connection.recv(4096)
                    if not part:
                        return
                    head += part
                self.heads.append(head.decode())
                connection.sendall(answer(head.decode()))
            connection.recv(1)

    def close(self) -> None:
        self._listener.close()
        self._thread.join(60)


@pytest.fixture
def serve() -> Iterator[Callable[..., Server]]:
    made: list[Server] = []

    def start(*answers: Answer) -> Server:
        made.append(Server(*answers))
        return made[-1]

    yield start
    for one in made:
        one.close()


def accepts(head: str) -> bytes:
    key = next(line for line in head.split("\r\n") if line.startswith("Sec-WebSocket-Key"))
    digest = hashlib.sha1(key.split(": ")[1].encode() + MAGIC).digest()  # noqa: S324
    fields = f"Sec-WebSocket-Accept: {base64.b64encode(digest).decode()}\r\n"
    head = f"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n{fields}\r\n"
    return head.encode() + b"\x82\x02hi"  # a message right behind the head


def says(text: str) -> Answer:
    return lambda _head: text.encode()


def profile(port: int) -> Profile:
    return Profile(url=f"http://127.0.0.1:{port}", token="hai_secret")


def test_what_came_with_the_head_is_kept(serve: Callable[..., Server]) -> None:
    server = serve(accepts)
    opened = connect(profile(server.port), "a b", 3, 10)
    assert opened.read() == [b"hi"]
    opened.close()
    assert server.heads[0].startswith("GET /api/v1/tasks/a%20b/channel?rank=3 HTTP/1.1\r\n")
    assert "Authorization: Bearer hai_secret\r\n" in server.heads[0]


def test_a_refusal_is_the_server_s_own_error(serve: Callable[..., Server]) -> None:
    body = json.dumps({"code": "denied", "message": "not yours", "hint": "ask"})
    server = serve(says(f"HTTP/1.1 403 Forbidden\r\ncontent-length: {len(body)}\r\n\r\n{body}"))
    with pytest.raises(Denied, match="not yours"):
        connect(profile(server.port), "1", 0, 10)


@pytest.mark.parametrize(
    "text",
    [
        "SSH-2.0-OpenSSH\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok",
        "HTTP/1.1 101 Yes\r\nSec-WebSocket-Accept: nonsense\r\n\r\n",
        "x" * 40_000,
    ],
)
def test_what_is_no_server_is_told(serve: Callable[..., Server], text: str) -> None:
    server = serve(says(text))
    with pytest.raises(Unreachable, match="not as a HAI server"):
        connect(profile(server.port), "1", 0, 10)


def test_silence_is_a_timeout() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener, pytest.raises(TimedOut):
        connect(profile(listener.getsockname()[1]), "1", 0, 0.1)


def test_a_proxy_is_asked_for_a_tunnel(serve: Callable[..., Server]) -> None:
    server = serve(says("HTTP/1.1 200 Connection established\r\n\r\n"), accepts)
    by = f"http://me:p%40ss@127.0.0.1:{server.port}"
    opened = websocket.connect("http://hai.example:81/base", "/x", {}, 10, by)
    opened.close()
    tunnel, shake = server.heads
    assert tunnel.startswith("CONNECT hai.example:81 HTTP/1.1\r\n")
    assert base64.b64encode(b"me:p@ss").decode() in tunnel
    assert shake.startswith("GET /base/x HTTP/1.1\r\nHost: hai.example:81\r\n")


def test_a_proxy_that_refuses_is_told(serve: Callable[..., Server]) -> None:
    server = serve(says("HTTP/1.1 407 Proxy Authentication Required\r\n\r\n"))
    with pytest.raises(OSError, match="refused: HTTP 407"):
        websocket.connect("https://hai.example", "/x", {}, 10, f"http://127.0.0.1:{server.port}")


def test_the_environment_names_the_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy", "NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HTTPS_PROXY", "proxy.example:8080")
    assert channel._proxy_for("https://hai.example") == "http://proxy.example:8080"
    assert channel._proxy_for("http://hai.example") == ""
    assert channel._proxy_for("https://127.0.0.1:7420") == ""
    monkeypatch.setenv("NO_PROXY", ".example")
    assert channel._proxy_for("https://hai.example") == ""
    monkeypatch.delenv("NO_PROXY")
    monkeypatch.setenv("HTTPS_PROXY", "socks5://proxy.example")
    with pytest.raises(Unreachable, match="not socks5"):
        channel._proxy_for("https://hai.example")
