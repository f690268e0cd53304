"""A WebSocket (RFC 6455) as its client sees it: binary messages over a socket that never blocks.

Both ends of a channel come to the server this way, because proxies let it through.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import socket
import struct
import sys
import time
from urllib.parse import unquote, urlsplit

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

MESSAGE_BYTES = 64 * 1024  # the largest message that we send; the server takes twice as much
FULL_BYTES = 4 * MESSAGE_BYTES  # of messages that wait to be sent: nobody adds more
READ_BYTES = 256 * 1024
SILENCE_SECONDS = 30.0  # the server pings every 10 s: three of them were lost
_HEAD_BYTES = 32 * 1024
_BODY_BYTES = 64 * 1024
_FRAME_BYTES = 1 << 20
_MAGIC = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_BINARY, _CLOSE, _PING, _PONG = 2, 8, 9, 10


class ChannelRefused(Exception):
    """The server answered with something else than a channel: `status`, and its JSON or None."""

    def __init__(self, status: int, body: Any) -> None:
        super().__init__(f"HTTP {status}")
        self.status = status
        self.body = body


def connect(
    url: str,
    path: str,
    headers: Mapping[str, str],
    timeout_seconds: float,
    proxy: str = "",
) -> WebSocket:
    """An open one, by way of `proxy` (http://[user:password@]host:port) if there is one. OSError
    when nobody can be reached, ChannelRefused when the server does not want it, ValueError when it
    speaks something else."""
    parts = urlsplit(url)
    is_secure = parts.scheme == "https"
    port = parts.port or (443 if is_secure else 80)
    host = parts.hostname or "127.0.0.1"
    plain = _reached(host, port, timeout_seconds, proxy)
    try:
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock = _secured(plain, host) if is_secure else plain
        key = base64.b64encode(os.urandom(16)).decode()
        own = {
            "Host": parts.netloc.rpartition("@")[2],
            "Upgrade": "websocket",
            "Connection": "Upgrade",
            "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Key": key,
        }
        lines = ["GET {}{} HTTP/1.1".format(parts.path.rstrip("/"), path)]
        lines += ["{}: {}".format(*pair) for pair in [*own.items(), *headers.items()]]
        sock.sendall(("\r\n".join(lines) + "\r\n\r\n").encode("latin-1"))
        rest = _shake_hands(sock, key)
    except BaseException:
        plain.close()
        raise
    sock.setblocking(False)
    return WebSocket(sock, rest)


def _reached(host: str, port: int, timeout_seconds: float, proxy: str) -> socket.socket:
    if not proxy:
        return socket.create_connection((host, port), timeout_seconds)
    by = urlsplit(proxy)
    sock = socket.create_connection((by.hostname or "", by.port or 3128), timeout_seconds)
    try:
        target = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        lines = [f"CONNECT {target} HTTP/1.1", f"Host: {target}"]
        if by.username:
            words = "{}:{}".format(unquote(by.username), unquote(by.password or ""))
            lines.append("Proxy-Authorization: Basic " + base64.b64encode(words.encode()).decode())
        sock.sendall(("\r\n".join(lines) + "\r\n\r\n").encode("latin-1"))
        status = _head(sock)[0]
        if status != 200:
            raise OSError(f"the proxy {by.hostname} refused: HTTP {status}")
    except BaseException:
        sock.close()
        raise
    return sock


def _secured(plain: socket.socket, host: str) -> socket.socket:
    import ssl

    return ssl.create_default_context().wrap_socket(plain, server_hostname=host)


def _shake_hands(sock: socket.socket, key: str) -> bytes:
    """What came behind the server's head."""
    status, fields, rest = _head(sock)
    if status != 101:
        raise ChannelRefused(status, _json(sock, rest, fields.get("content-length", "")))
    proof = base64.b64encode(hashlib.sha1(key.encode() + _MAGIC).digest())  # noqa: S324
    if fields.get("sec-websocket-accept", "").encode() != proof:
        raise ValueError("it does not speak WebSocket")
    return rest


def _head(sock: socket.socket) -> tuple[int, dict[str, str], bytes]:
    """Status and fields of an answer, and what came behind its head."""
    data = b""
    while b"\r\n\r\n" not in data:
        part = sock.recv(4096)
        if not part:
            raise ConnectionError("it closed the connection")
        data += part
        if len(data) > _HEAD_BYTES:
            raise ValueError("it does not speak HTTP")
    head, rest = data.split(b"\r\n\r\n", 1)
    first, *lines = head.decode("latin-1").split("\r\n")
    words = first.split()
    if len(words) < 2 or not words[0].startswith("HTTP/") or not words[1].isdigit():
        raise ValueError("it does not speak HTTP")
    fields = {}
    for line in lines:
        name, _, value = line.partition(":")
        fields[name.strip().lower()] = value.strip()
    return int(words[1]), fields, rest


def _json(sock: socket.socket, rest: bytes, length: str) -> Any:
    size = min(int(length), _BODY_BYTES) if length.isdigit() else _BODY_BYTES
    while len(rest) < size:
        part = sock.recv(size - len(rest))
        if not part:
            break
        rest += part
    try:
        return json.loads(rest)
    except ValueError:
        return None


class WebSocket:
    """`is_over`: nothing comes any more, and `reason` says why if the server said so."""

    def __init__(self, sock: socket.socket, rest: bytes = b"") -> None:
        self._sock = sock
        self._in = bytearray(rest)
        self._out = bytearray()
        self._parts: list[bytes] = []  # of a message in several frames
        self.is_over = False
        self.code = 0
        self.reason = ""
        self.heard_at = time.monotonic()

    def fileno(self) -> int:
        return self._sock.fileno()

    @property
    def wants_write(self) -> bool:
        return bool(self._out)

    @property
    def is_full(self) -> bool:
        return len(self._out) >= FULL_BYTES

    @property
    def is_silent(self) -> bool:
        """The other side is gone without a word."""
        return time.monotonic() - self.heard_at > SILENCE_SECONDS

    def send(self, message: bytes) -> None:
        """Queued; `flush` brings it out."""
        self._frame(_BINARY, message)

    def read(self) -> list[bytes]:
        """The messages that are whole by now."""
        taken = 0
        while taken < READ_BYTES and not self.is_over:
            part = self._receive()
            if part is None:
                break
            if not part:
                self.is_over = True
            taken += len(part)
            self._in += part
        if taken:
            self.heard_at = time.monotonic()
        return self._messages()

    def flush(self) -> None:
        """As much as the socket takes now."""
        while self._out:
            try:
                sent = self._sock.send(bytes(self._out[:READ_BYTES]))
            except OSError as error:
                if not _would_block(error):
                    self.is_over = True
                    self._out.clear()
                return
            del self._out[:sent]

    def close(self, code: int = 1000, reason: str = "") -> None:
        """Say goodbye, as far as that goes without waiting."""
        if self._sock.fileno() < 0:
            return
        if not self.is_over:
            text = reason.encode("utf-8", "replace")[:120]
            self._frame(_CLOSE, struct.pack(">H", code) + text)
            self.flush()
        self.is_over = True
        self._sock.close()

    def _receive(self) -> bytes | None:
        """b"" at the end, None when there is nothing now."""
        try:
            return self._sock.recv(READ_BYTES)
        except OSError as error:
            return None if _would_block(error) else b""

    def _messages(self) -> list[bytes]:
        messages: list[bytes] = []
        while True:
            frame = self._next_frame()
            if frame is None:
                return messages
            is_last, opcode, payload = frame
            if opcode == _PING:
                self._frame(_PONG, payload)
            elif opcode == _CLOSE:
                self.is_over = True
                self.code = struct.unpack(">H", payload[:2])[0] if len(payload) >= 2 else 1005
                self.reason = payload[2:].decode("utf-8", "replace")
            elif opcode < _CLOSE:
                self._parts.append(payload)
                if is_last:
                    messages.append(b"".join(self._parts))
                    self._parts = []

    def _next_frame(self) -> tuple[bool, int, bytes] | None:
        data = self._in
        if len(data) < 2:
            return None
        size, start = data[1] & 0x7F, 2
        if size >= 126:
            start = 4 if size == 126 else 10
            if len(data) < start:
                return None
            size = int.from_bytes(data[2:start], "big")
        if size > _FRAME_BYTES:
            self.is_over, self.reason = True, "a message is too large"
            data.clear()
            return None
        if len(data) < start + size:
            return None
        first, payload = data[0], bytes(data[start : start + size])
        del data[: start + size]
        return bool(first & 0x80), first & 0x0F, payload

    def _frame(self, opcode: int, payload: bytes) -> None:
        size = len(payload)
        head = bytearray([0x80 | opcode])
        if size < 126:
            head.append(0x80 | size)
        elif size < 1 << 16:
            head += struct.pack(">BH", 0x80 | 126, size)
        else:
            head += struct.pack(">BQ", 0x80 | 127, size)
        mask = os.urandom(4)
        self._out += head + mask + _masked(payload, mask)


def _masked(payload: bytes, mask: bytes) -> bytes:
    """By one large number: a byte at a time would be a hundred times slower."""
    size = len(payload)
    pad = (mask * (size // 4 + 1))[:size]
    number = int.from_bytes(payload, sys.byteorder) ^ int.from_bytes(pad, sys.byteorder)
    return number.to_bytes(size, sys.byteorder)


def _would_block(error: OSError) -> bool:
    if isinstance(error, (BlockingIOError, InterruptedError)):
        return True
    return type(error).__name__ in ("SSLWantReadError", "SSLWantWriteError")
