"""Dev containers that share a node: each has its own part, and whoever takes more dies alone."""

from collections.abc import Iterator

import pytest

from tests.conftest import PostgresServer, public_directory
from tests.docker.engine import PrivateEngine
from tests.docker.platform import DockerPlatform, start_platform
from tests.providers.container_platform import CALM, HOG
from tests.providers.labs import needs_lab, shared_lab_settings, use_a_dev_container
from tests.waiting import wait_until

pytestmark = pytest.mark.acceptance

_LONG = 180
GIB = 2**30
SMALL = ("--cpu", "0.2", "--memory", "256M")


@pytest.fixture
def platform(engine: PrivateEngine, postgres_server: PostgresServer) -> Iterator[DockerPlatform]:
    """Two nodes, of which containers share the second."""
    lines = 'reserve_memory_mib = 0\nshared_nodes = 1\nshared_group = "lab_cpu"\n'
    with public_directory() as directory, postgres_server.database() as url:
        more = shared_lab_settings("docker")
        made = start_platform(directory / "site", url, engine, lines, **more)
        try:
            yield made
        finally:
            made.close()


def start(platform: DockerPlatform, name: str, script: str) -> int:
    task = platform.start_dev(name, script, *SMALL)
    platform.wait(task, "running", timeout=_LONG)
    platform.wait_text(task, "up")
    return task


def test_a_memory_hog_is_killed_alone(platform: DockerPlatform) -> None:
    hog = start(platform, "hog", HOG)
    calm = start(platform, "calm", CALM)
    nodes = {platform.detail(task)["assigned_nodes"][0] for task in (hog, calm)}
    assert nodes == {"node-02"}
    limits = platform.engine.ask(f"/containers/{platform.container_of(calm)}/json")
    assert limits["HostConfig"]["Memory"] == GIB // 4
    assert limits["HostConfig"]["NanoCpus"] == 200_000_000
    before = platform.detail(calm)
    (platform.work_dir / "go").touch()
    ended = platform.wait(hog, "failed", timeout=_LONG)
    assert ended["exit_code"] == 137
    assert "still here" not in platform.text(hog)
    wait_until(lambda: platform.detail(hog)["ended_at"], 60, what="its end")
    after = platform.detail(calm)
    assert (after["state"], after["attempts"]) == ("running", before["attempts"])
    platform.stop_task(calm)
    platform.wait_clean()


@needs_lab
def test_a_dev_container_through_the_door(platform: DockerPlatform) -> None:
    use_a_dev_container(platform, "--cpu", "1", "--memory", "1G")
    platform.wait_clean()
