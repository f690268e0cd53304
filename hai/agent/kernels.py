"""What the kernels of a dev container do, by JupyterLab's own API over its socket file.

The agent may be root and everything here belongs to the user, so nothing is opened through a link.
"""

from __future__ import annotations

import json
import os
import socket
import stat
import time

from hai.agent import files, jupyter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

SECONDS = 3.0  # for the whole answer
MOST_BYTES = 2**20
_O_PATH = 0o10000000  # Linux; Python names it from 3.10 on


def asked(control_dir: str, uid: int | None) -> Any:
    """The answer of GET /api/kernels, as JSON; None when there is none. `uid`: whose JupyterLab it
    is, None: the agent's own account."""
    owner = os.getuid() if uid is None else uid
    folder = -1
    try:
        folder = files.open_dir(control_dir)
        code = jupyter.new_code(folder, uid)
        try:
            return _body(_exchange(folder, owner, code))
        finally:
            jupyter.forget_code(folder, code)
    except (OSError, ValueError, RecursionError):
        return None
    finally:
        if folder >= 0:
            os.close(folder)


def _exchange(folder: int, owner: int, code: str) -> bytes:
    deadline = time.monotonic() + SECONDS
    flags = _O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC
    place = os.open(jupyter.SOCKET, flags, dir_fd=folder)
    try:
        info = os.fstat(place)
        if not stat.S_ISSOCK(info.st_mode) or info.st_uid != owner:
            raise ValueError("not JupyterLab's")
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as link:
            link.settimeout(SECONDS)
            link.connect(f"/proc/self/fd/{place}")
            head = "GET /api/kernels?code=" + code + " HTTP/1.0\r\nHost: localhost\r\n\r\n"
            link.sendall(head.encode("ascii"))
            return _read(link, deadline)
    finally:
        os.close(place)


def _read(link: socket.socket, deadline: float) -> bytes:
    parts: list[bytes] = []
    size = 0
    while size <= MOST_BYTES:
        left = deadline - time.monotonic()
        if left <= 0:
            raise ValueError("too slow")
        link.settimeout(left)
        part = link.recv(65536)
        if not part:
            return b"".join(parts)
        parts.append(part)
        size += len(part)
    raise ValueError("too long")


def _body(answer: bytes) -> Any:
    """ValueError unless the status is 200."""
    head, _, body = answer.partition(b"\r\n\r\n")
    words = head.split(b"\r\n", 1)[0].split()
    if len(words) < 2 or words[1] != b"200":
        raise ValueError("refused")
    return json.loads(body)
