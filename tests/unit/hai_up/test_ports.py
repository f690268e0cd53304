"""Ports that hai-up chooses: nobody else is given them."""

import socket
from pathlib import Path

import pytest

from hai_up import ports


@pytest.fixture
def given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What the kernel says about ports of outgoing connections."""
    path = tmp_path / "ip_local_port_range"
    monkeypatch.setattr(ports, "_RANGE_FILE", path)
    return path


@pytest.mark.parametrize("said", ["32768\t60999\n", "12000 60999\n", "1024 20000", "nonsense", ""])
def test_no_outgoing_connection_is_given_the_port(given: Path, said: str) -> None:
    given.write_text(said)
    low, high = map(int, said.split()) if said.split()[1:] else (32768, 60999)
    for _ in range(100):
        port = ports.free_port("127.0.0.1")
        assert port >= 10_000
        assert not low <= port <= high


def test_a_kernel_that_gives_them_all_is_asked(given: Path) -> None:
    given.write_text("1024 65535")
    assert 1024 <= ports.free_port("127.0.0.1") <= 65535


def test_a_port_where_somebody_listens_is_not_free() -> None:
    port = ports.free_port("127.0.0.1")
    with socket.create_server(("127.0.0.1", port)):
        assert not ports.is_free("127.0.0.1", port)
    assert ports.is_free("127.0.0.1", port)


def test_two_do_not_often_choose_the_same() -> None:
    assert len({ports.free_port("127.0.0.1") for _ in range(20)}) > 10
