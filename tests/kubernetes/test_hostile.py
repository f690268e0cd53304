"""Attacks from inside real pods: what a task cannot reach, and what it cannot use up."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from scripts.hostile_driver.attacks.pods import ATTACKS
from scripts.hostile_driver.attacks.tasks import Ended
from scripts.hostile_driver.places import document_of, ended_of
from scripts.hostile_driver.site import POD_SETTINGS, inside
from tests.kubernetes.platform import PodPlatform, start_platform
from tests.kubernetes.testbed import Cluster

pytestmark = pytest.mark.acceptance


@dataclass
class TestedPlace:
    """See `scripts.hostile_driver.attacks.pods.Place`: bob is the attacker."""

    __test__ = False

    platform: PodPlatform

    @property
    def namespace(self) -> str:
        return self.platform.namespace

    @property
    def api_server(self) -> str:
        config = yaml.safe_load(self.platform.cluster.kubeconfig.read_text())
        return str(config["clusters"][0]["cluster"]["server"])

    @property
    def hidden_paths(self) -> tuple[str, ...]:
        return tuple(str(self.platform.data_dir / name) for name in ("override.toml", "secret"))

    def submit(self, program: str, *words: str, **more: Any) -> int:
        self.platform.script(program, inside(program))
        document = document_of(self.platform.task(program, environments={}), words, more)
        with self.platform.client("bob") as client:
            return int(client.post("/tasks", json=document).raise_for_status().json()["id"])

    def state(self, task_id: int) -> str:
        return str(self.platform.detail(task_id)["state"])

    def ended(self, task_id: int) -> Ended:
        with self.platform.client() as client:
            stream = client.get(f"/tasks/{task_id}/logs").raise_for_status().text
        return ended_of(self.platform.detail(task_id), stream)

    def stop(self, task_id: int) -> None:
        with self.platform.client() as client:
            client.post(f"/tasks/{task_id}/stop", json={})

    def objects(self) -> list[str]:
        return self.platform.left()

    def kubectl(self, *words: str) -> str:
        return self.platform.cluster.kubectl(*words)

    def image(self) -> str:
        return self.platform.cluster.image


@pytest.fixture
def place(
    public_dir: Path, postgres_url: str, cluster: Cluster, namespace: str
) -> Iterator[TestedPlace]:
    (public_dir / "site").mkdir(mode=0o755)
    made = start_platform(public_dir / "site", postgres_url, cluster, namespace, **POD_SETTINGS)
    try:
        yield TestedPlace(made)
    finally:
        made.close()


def test_attacks_from_inside_a_pod(place: TestedPlace) -> None:
    """All on one platform: most of the time goes into starting it."""
    assert len(ATTACKS) > 5
    for name, (promise, attack) in ATTACKS.items():
        if name == "pod-api-server" and not place.platform.cluster.is_ours:
            continue  # it would ask the kubelets of somebody else
        said = attack(place)
        assert said, f"{name}: {promise}"
