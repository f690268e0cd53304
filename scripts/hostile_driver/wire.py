"""HTTP as nobody should speak it: plain sockets of the attacker's."""

import select
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from urllib.parse import urlsplit

from scripts.chaos_driver.waiting import wait_for
from scripts.hostile_driver.attacks import OTHER_ADDRESS

_SECONDS = 30.0


def dial(url: str) -> socket.socket:
    """From the attacker's address, where the target is on the loopback."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    source = (OTHER_ADDRESS, 0) if host.startswith("127.") else None
    return socket.create_connection((host, parts.port or 80), _SECONDS, source)


@contextmanager
def dialled(url: str) -> Iterator[socket.socket]:
    with dial(url) as made:
        yield made


@contextmanager
def crowd(url: str, count: int, said: bytes) -> Iterator[list[socket.socket]]:
    """So many connections that have said so much and no more."""
    with ExitStack() as stack:
        made = []
        for _ in range(count):
            one = stack.enter_context(dial(url))
            with suppress(OSError):  # it may have lost its place already
                one.sendall(said)
            one.setblocking(False)
            made.append(one)
        yield made


def pour(one: socket.socket, piece: bytes, most_bytes: int) -> tuple[int, bytes]:
    """Send the piece again and again until the other side has had enough: how many bytes went, and
    what it said."""
    sent = 0
    try:
        while sent < most_bytes:
            one.sendall(piece)
            sent += len(piece)
            if select.select([one], [], [], 0)[0]:
                break
    except OSError:
        pass  # a reset: it does not listen any longer
    return sent, heard(one)


def heard(one: socket.socket) -> bytes:
    """What is said first; b"" when the other side hung up without a word."""
    one.settimeout(_SECONDS)
    with suppress(OSError):
        return one.recv(65536)
    return b""


def wait_until_closed(sockets: list[socket.socket], seconds: float) -> int:
    """How many of them are still open after so long."""
    left = list(sockets)

    def none_left() -> bool:
        left[:] = [one for one in left if not _is_closed(one)]
        return not left

    wait_for(none_left, seconds, 0.25)
    return len(left)


def _is_closed(one: socket.socket) -> bool:
    try:
        while data := one.recv(65536):
            del data
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True
