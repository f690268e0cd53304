"""Ports for the servers that hai-up starts."""

import random
import socket
from pathlib import Path

_RANGE_FILE = Path("/proc/sys/net/ipv4/ip_local_port_range")
_LOWEST, _HIGHEST = 10_000, 29_999  # below the ports of Kubernetes' services
_TRIES = 200


def free_port(host: str) -> int:
    """A TCP port of `host` that nobody has now and that no outgoing connection is given.

    A server that goes away for a moment comes back on the same port: one that the kernel had given
    to a client in the meantime would be taken."""
    low, high = _given_to_clients()
    numbers = [port for port in range(_LOWEST, _HIGHEST + 1) if not low <= port <= high]
    chosen = random.sample(numbers, min(_TRIES, len(numbers)))
    for port in chosen:
        if is_free(host, port):
            return port
    with socket.socket(_family(host)) as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


def is_free(host: str, port: int) -> bool:
    """Whether a server could listen there now; connections that have ended are not in its way."""
    with socket.socket(_family(host)) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET


def _given_to_clients() -> tuple[int, int]:
    """The first and the last port that the kernel gives to outgoing connections."""
    try:
        low, high = map(int, _RANGE_FILE.read_text().split())
    except (OSError, ValueError):
        return 32768, 60999
    return low, high
