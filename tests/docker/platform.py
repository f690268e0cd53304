"""A whole platform beside a private engine: hai-server in the engine's network namespace, as on the
engine's machine, tasks as containers."""

import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.docker.engine import IMAGE, PrivateEngine
from tests.live import REPOSITORY, Live
from tests.waiting import wait_until

EXAMPLES = REPOSITORY / "docs" / "examples"
LEVELS = ("LOW", "NORMAL", "HIGH")
WITHIN_SECONDS = 120.0


@dataclass
class DockerPlatform(Live):
    """`nodes` shares of this machine; `docker` are further lines of that section."""

    engine: PrivateEngine = field(kw_only=True)
    docker: str = ""

    def __post_init__(self) -> None:
        super().__post_init__()
        shutil.copy(EXAMPLES / "digits.py", self.work_dir)
        shutil.copy(EXAMPLES / "digits.csv.gz", self.work_dir)
        database = self.config.read_text().partition("[store]")[2]
        self.config.write_text(
            f'[server]\nport = {self.port}\ndata_dir = "{self.data_dir}"\nhost = "0.0.0.0"\n'
            f"[store]{database}"
            f'[docker]\nsocket = "{self.engine.socket}"\nimage = "{IMAGE}"\n'
            f"nodes = {self.nodes}\n{self.docker}\n"
            f'[docker.mounts]\nwork = "{self.work_dir}:{self.work_dir}"\n'
        )

    @property
    def url(self) -> str:
        return f"http://{self.engine.address}:{self.port}"

    def command(self, *arguments: str) -> list[str]:
        return [*self.engine.inside(), *super().command(*arguments)]

    def document(self) -> dict[str, Any]:
        return {
            "user": {"name": "root", "role": "admin", "uid": 0},
            "groups": [{"name": "training"}],
            "nodes": [],
            "quotas": [
                {"user": "*", "resource": f"node-training-{level}", "nodes": 9} for level in LEVELS
            ],
        }

    def nodes_now(self) -> dict[str, dict[str, Any]]:
        with self.client() as client:
            reply = client.get("/nodes")
        return {row["name"]: row for row in reply.json()["nodes"]}

    def wait_nodes(self) -> None:
        wait_until(lambda: len(self.nodes_now()) == self.nodes, WITHIN_SECONDS, what="its nodes")

    def wait_clean(self) -> None:
        """Nothing is left in the engine."""
        wait_until(lambda: not self.engine.left(), WITHIN_SECONDS, what="an empty engine")

    def container_of(self, task_id: int, rank: int = 0) -> str:
        """The name of the container of its last attempt."""
        wanted = {"hai.task": str(task_id), "hai.rank": str(rank)}
        found = [one for one in self.engine.containers() if wanted.items() <= one["Labels"].items()]
        last = max(found, key=lambda one: int(one["Labels"]["hai.attempt"]))
        return str(last["Names"][0]).lstrip("/")

    def why(self, task_id: int) -> str:
        """What the task's detail and its workers say."""
        detail = self.detail(task_id)
        workers = [one for attempt in detail["attempt_list"] for one in attempt["workers"]]
        whys = [attempt["why"] for attempt in detail["attempt_list"]]
        return " | ".join([detail["why"], *whys, *(str(w.get("detail")) for w in workers)])

    def wait_why(self, task_id: int, words: str) -> None:
        wait_until(lambda: words in self.why(task_id), WITHIN_SECONDS, what=f"{words!r}: {task_id}")

    def wait_text(self, task_id: int, words: str) -> None:
        wait_until(
            lambda: words in self.text(task_id), WITHIN_SECONDS, what=f"{words!r} in the log"
        )

    def script_of(self, name: str, text: str) -> str:
        self.script(name, text)
        return name

    def stop_task(self, task_id: int) -> None:
        with self.client() as admin:
            admin.post(f"/tasks/{task_id}/stop").raise_for_status()
        self.wait(task_id, "stopped", timeout=WITHIN_SECONDS)

    def close(self) -> None:
        super().close()
        for one in self.engine.containers():
            self.engine.remove(one["Id"])
        self.engine.call("POST", "/networks/prune")


def start_platform(
    directory: Path, url: str, engine: PrivateEngine, docker: str = "", **more: str
) -> DockerPlatform:
    """Started, with the users root and bob."""
    directory.mkdir(mode=0o755)
    platform = DockerPlatform(directory, url, engine=engine, nodes=2, docker=docker, settings=more)
    platform.bootstrap()
    platform.start()
    platform.add_user("bob")
    platform.wait_nodes()
    return platform
