"""hai-up looks after Studio: up with the platform, mended by `run`, gone with `down`."""

import json
import os
import signal
import socket

import httpx2
import pytest

from tests.machine import Machine, machine, processes_of
from tests.waiting import PATIENCE_SECONDS, wait_until

__all__ = ["machine"]  # the fixture
pytestmark = pytest.mark.acceptance


def answers(url: str) -> bool:
    try:
        return httpx2.get(f"{url}/health", timeout=5, trust_env=False).status_code == 200
    except httpx2.HTTPError:
        return False


def test_studio_lives_and_dies_with_the_platform(machine: Machine) -> None:
    said = machine.up()
    studio = machine.status()["studio"]
    assert studio["status"] == "running"
    assert f"Studio is at {studio['url']}" in said
    page = httpx2.get(studio["url"], trust_env=False, timeout=PATIENCE_SECONDS)
    assert "Log in" in page.text
    assert machine.token() not in "\n".join(processes_of(machine.folder))

    os.kill(json.loads((machine.data / "studio.pid").read_text())["pid"], signal.SIGKILL)
    wait_until(lambda: not answers(studio["url"]), what="Studio's end")
    assert machine.status()["studio"]["status"] == "not running"
    machine.up()
    assert machine.status()["studio"] == studio

    machine.up("--no-studio")
    assert not answers(studio["url"])
    assert machine.status()["studio"]["status"] == "off"
    machine.up("--studio")
    assert machine.status()["studio"] == studio

    machine.do("down")
    assert not answers(studio["url"])
    assert processes_of(machine.folder) == []


def test_a_taken_port_costs_studio_only(machine: Machine) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen(1)
        port = taken.getsockname()[1]
        said = machine.up("--studio-port", str(port))
        assert f"warning: no Studio: port {port} is taken" in said
        assert machine.status()["studio"]["status"] == "not running"
    said = machine.up()
    assert "Studio is at" in said
    machine.do("down")
