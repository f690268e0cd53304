"""Asking JupyterLab over its socket file, whatever its user has put there."""

import json
import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

import pytest

from hai.agent import kernels
from hai.agent.jupyter import CODES, SOCKET

KERNELS = [{"id": "a", "execution_state": "idle", "last_activity": "1", "connections": 1}]
Answer = Callable[[bytes, socket.socket], None]


@pytest.fixture
def control(tmp_path: Path) -> Path:
    folder = tmp_path / "control"
    (folder / CODES).mkdir(parents=True)
    return folder


@contextmanager
def listening(path: Path, answer: Answer) -> Iterator[list[bytes]]:
    """Something that answers one request; what it was asked."""
    asked: list[bytes] = []
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        server.listen()
        server.settimeout(60)

        def serve() -> None:
            link, _ = server.accept()
            with link:
                asked.append(link.recv(65536))
                answer(asked[0], link)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield asked
        thread.join(60)


def sent(body: bytes, status: bytes = b"200 OK") -> Answer:
    def answer(_: bytes, link: socket.socket) -> None:
        link.sendall(b"HTTP/1.1 " + status + b"\r\nContent-Type: application/json\r\n\r\n" + body)

    return answer


def test_a_code_that_is_good_once_opens_it(control: Path) -> None:
    seen: list[bool] = []

    def answer(request: bytes, link: socket.socket) -> None:
        code = request.partition(b"code=")[2].partition(b" ")[0]
        seen.append((control / CODES / sha256(code).hexdigest()).exists())
        sent(json.dumps(KERNELS).encode())(request, link)

    with listening(control / SOCKET, answer) as asked:
        assert kernels.asked(str(control), None) == KERNELS
    assert asked[0].startswith(b"GET /api/kernels?code=")
    assert seen == [True]
    assert list((control / CODES).iterdir()) == [], "nothing is left of it"


@pytest.mark.parametrize(
    "answer",
    [
        sent(b'{"message": "Forbidden"}', b"403 Forbidden"),
        sent(b"<html>"),
        sent(b"[" * 100_000),
        lambda _, link: None,
        lambda _, link: link.sendall(b"nonsense"),
    ],
)
def test_what_makes_no_sense_is_unknown(control: Path, answer: Answer) -> None:
    with listening(control / SOCKET, answer):
        assert kernels.asked(str(control), None) is None
    assert list((control / CODES).iterdir()) == []


def test_no_answer_is_waited_for_or_kept_for_ever(
    control: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def endless(_: bytes, link: socket.socket) -> None:
        try:
            while True:
                link.sendall(b"x" * 65536)
        except OSError:
            return

    with listening(control / SOCKET, endless):
        assert kernels.asked(str(control), None) is None
    (control / SOCKET).unlink()
    over = threading.Event()
    monkeypatch.setattr(kernels, "SECONDS", 0.05)

    def silent(_: bytes, link: socket.socket) -> None:
        over.wait(60)

    with listening(control / SOCKET, silent):
        assert kernels.asked(str(control), None) is None
        over.set()


def test_no_link_is_followed(control: Path, tmp_path: Path) -> None:
    """The agent may be root, and the folder is its user's."""
    assert kernels.asked(str(control), None) is None
    real = tmp_path / "real.sock"
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(real))
        other.listen()
        other.settimeout(0)
        (control / SOCKET).symlink_to(real)
        assert kernels.asked(str(control), None) is None
        with pytest.raises(BlockingIOError):
            other.accept()
    (control / SOCKET).unlink()
    (control / CODES).rmdir()
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (control / CODES).symlink_to(elsewhere)
    assert kernels.asked(str(control), None) is None
    assert list(elsewhere.iterdir()) == []


def test_only_its_users_own_socket_is_spoken_to(control: Path) -> None:
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(control / SOCKET))
        other.listen()
        other.settimeout(0)
        if os.getuid() == 0:
            os.chown(control / SOCKET, 64321, -1)
            assert kernels.asked(str(control), None) is None
        else:
            assert kernels.asked(str(control), os.getuid() + 1) is None
        with pytest.raises(BlockingIOError):
            other.accept()
