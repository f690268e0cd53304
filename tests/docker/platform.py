"""A whole platform beside a private engine: hai-server in the engine's network namespace, as on the
engine's machine, tasks as containers."""

from dataclasses import dataclass, field
from pathlib import Path

from tests.docker.engine import IMAGE, PrivateEngine
from tests.providers.container_platform import WITHIN_SECONDS, ContainerPlatform
from tests.waiting import wait_until


@dataclass
class DockerPlatform(ContainerPlatform):
    """`nodes` shares of this machine; `docker` are further lines of that section."""

    engine: PrivateEngine = field(kw_only=True)
    docker: str = ""

    def __post_init__(self) -> None:
        super().__post_init__()
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

    def wait_nodes(self) -> None:
        wait_until(lambda: len(self.nodes_now()) == self.nodes, WITHIN_SECONDS, what="its nodes")

    def left(self) -> list[str]:
        """In the engine."""
        return self.engine.left()

    def container_of(self, task_id: int, rank: int = 0) -> str:
        """The name of the container of its last attempt."""
        wanted = {"hai.task": str(task_id), "hai.rank": str(rank)}
        found = [one for one in self.engine.containers() if wanted.items() <= one["Labels"].items()]
        last = max(found, key=lambda one: int(one["Labels"]["hai.attempt"]))
        return str(last["Names"][0]).lstrip("/")

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
