"""A site of the driver's as a place that attacks from inside pods work on."""

import shlex
from dataclasses import dataclass
from typing import Any

import yaml

from scripts.chaos_driver.cluster import IMAGE
from scripts.chaos_driver.pods import NAMESPACE, KubernetesSite
from scripts.hostile_driver.attacks import ATTACKER, Scene
from scripts.hostile_driver.attacks.tasks import Ended
from scripts.hostile_driver.site import inside, log_text, script, task


@dataclass(frozen=True, slots=True)
class SitePlace:
    """See `attacks.pods.Place`."""

    site: KubernetesSite
    token: str
    api_server: str
    hidden_paths: tuple[str, ...]
    namespace: str = NAMESPACE

    def submit(self, program: str, *words: str, **more: Any) -> int:
        script(self.site, program, inside(program))
        body = document_of(task(self.site, program), words, more)
        with self.site.client(self.token) as client:
            return int(client.post("/tasks", json=body).raise_for_status().json()["id"])

    def state(self, task_id: int) -> str:
        with self.site.client(self.token) as client:
            return str(client.get(f"/tasks/{task_id}").raise_for_status().json()["state"])

    def ended(self, task_id: int) -> Ended:
        with self.site.client(self.token) as client:
            detail = client.get(f"/tasks/{task_id}").raise_for_status().json()
            lines = client.get(f"/tasks/{task_id}/logs").raise_for_status().text
        return ended_of(detail, lines)

    def stop(self, task_id: int) -> None:
        with self.site.client(self.token) as client:
            client.post(f"/tasks/{task_id}/stop", json={})

    def objects(self) -> list[str]:
        return self.site.objects()

    def kubectl(self, *words: str) -> str:
        return self.site.cluster.insist(*words)

    def image(self) -> str:
        return IMAGE


def document_of(
    document: dict[str, Any], words: tuple[str, ...], more: dict[str, Any]
) -> dict[str, Any]:
    """`words` are the program's; `more` replaces fields, and adds to resource and environment."""
    rest = dict(more)
    document["spec"]["parameters"] = shlex.join(words)
    document["resource"] |= rest.pop("resource", {})
    document["spec"]["environments"] = rest.pop("environments", {})
    return {**document, **rest}


def ended_of(detail: dict[str, Any], stream: str) -> Ended:
    """From the server's views: a task's detail and its log as events."""
    workers = [one for attempt in detail["attempt_list"] for one in attempt["workers"]]
    why = " | ".join([detail["why"] or "", *(str(worker.get("detail")) for worker in workers)])
    return Ended(detail["state"], why, log_text(stream))


def place_of(scene: Scene[KubernetesSite]) -> SitePlace:
    site = scene.site
    config = yaml.safe_load(site.cluster.kubeconfig.read_text())
    hidden = tuple(
        str(site.data / name) for name in ("override.toml", "secret", "hai-up.json", "server.log")
    )
    server = str(config["clusters"][0]["cluster"]["server"])
    return SitePlace(site, scene.tokens[ATTACKER], server, hidden)
