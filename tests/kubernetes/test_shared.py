"""Dev containers that share a node of a cluster: each pod has its own part, and who takes more dies
alone."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.person import Person
from tests.kubernetes.platform import PodPlatform, start_platform
from tests.kubernetes.testbed import Cluster
from tests.providers.container_platform import CALM, HOG, WITHIN_SECONDS
from tests.providers.labs import needs_lab, shared_lab_settings, use_a_dev_container
from tests.waiting import wait_until

pytestmark = pytest.mark.acceptance

_LONG = 180
GROUP = "lab_cpu"


@pytest.fixture
def platform(
    public_dir: Path, postgres_url: str, cluster: Cluster, namespace: str
) -> Iterator[PodPlatform]:
    """One of its nodes is for dev containers."""
    (public_dir / "site").mkdir(mode=0o755)
    more = shared_lab_settings("kubernetes")
    made = start_platform(public_dir / "site", postgres_url, cluster, namespace, **more)
    try:
        made.label(made.all_nodes()[0], group=GROUP)
        wait_until(lambda: shared_nodes(made), WITHIN_SECONDS, what="the shared node")
        yield made
    finally:
        made.close()


def shared_nodes(platform: PodPlatform) -> list[str]:
    return [name for name, row in platform.nodes_now().items() if row["group"] == GROUP]


def test_two_share_a_node_and_a_memory_hog_is_killed_alone(platform: PodPlatform) -> None:
    node = shared_nodes(platform)
    small = ("--cpu", "0.1", "--memory", "128M")
    hog = platform.start_dev("hog", HOG, *small)
    calm = platform.start_dev("calm", CALM, *small)
    for task in (hog, calm):
        platform.wait(task, "running", timeout=_LONG)
        platform.wait_text(task, "up")
        assert platform.detail(task)["assigned_nodes"] == node
    pods = json.loads(platform.kubectl("get", "pods", "-o", "json"))["items"]
    given = [container["resources"] for pod in pods for container in pod["spec"]["containers"]]
    for amounts in [one[kind] for one in given for kind in ("requests", "limits")]:
        assert (amounts["cpu"], amounts["memory"]) == ("100m", str(128 * 2**20))
    (platform.work_dir / "go").touch()
    assert platform.wait(hog, "failed", timeout=_LONG)["exit_code"] == 137
    assert "still here" not in platform.text(hog)
    after = platform.detail(calm)
    assert (after["state"], after["attempts"]) == ("running", 1)
    row = platform.nodes_now()[node[0]]
    free = row["memory_bytes"] // 2**20
    whole = platform.start_dev("whole", HOG, "--cpu", "0.1", "--memory", f"{free - 64}M")
    told = f"the rest is held by task {calm}"
    wait_until(
        lambda: told in " ".join(Person(platform, "bob")("why", str(whole)).out.split()),
        WITHIN_SECONDS,
        what="the reason",
    )
    platform.stop_task(whole)
    platform.stop_task(calm)
    platform.wait_clean()


@needs_lab
def test_a_dev_container_through_the_door(platform: PodPlatform) -> None:
    use_a_dev_container(platform, "--cpu", "1", "--memory", "1G")
    platform.wait_clean()
