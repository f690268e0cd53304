"""Connections that notice within half a minute that the other side is gone."""

import socket
from typing import Any

_IDLE_SECONDS = 10
_BETWEEN_SECONDS = 5
_PROBES = 4
_UNACKNOWLEDGED_MILLISECONDS = 30_000


def keepalive_socket(address: tuple[Any, ...]) -> socket.socket:
    """For aiohttp: a watch may be silent for minutes, so the kernel has to ask.

    address: as socket.getaddrinfo gives it.
    """
    family, kind, protocol = address[:3]
    connection = socket.socket(family, kind, protocol)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in (
        ("TCP_KEEPIDLE", _IDLE_SECONDS),
        ("TCP_KEEPINTVL", _BETWEEN_SECONDS),
        ("TCP_KEEPCNT", _PROBES),
        ("TCP_USER_TIMEOUT", _UNACKNOWLEDGED_MILLISECONDS),
    ):
        if hasattr(socket, name):  # not everywhere that POSIX is
            connection.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
    return connection
