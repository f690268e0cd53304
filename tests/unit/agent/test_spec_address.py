"""Where an agent in a container says that it is."""

import socket

import pytest

from hai.agent.spec import address_towards


def test_its_own_address_on_the_way_to_the_server() -> None:
    assert address_towards("http://127.0.0.1:7420") == "127.0.0.1"
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("127.0.0.9", 9))
        assert address_towards("http://127.0.0.9") == probe.getsockname()[0]


@pytest.mark.parametrize("url", ["", "http://", "http://[", "http://256.1.1.1:port"])
def test_without_a_way_it_is_the_loopback(url: str) -> None:
    assert address_towards(url) == "127.0.0.1"
