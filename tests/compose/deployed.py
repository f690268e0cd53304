"""A platform that hai-up brings onto a private engine, and whoever administers it."""

import json
import os
import shutil
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.docker.engine import ENVIRONMENT, IMAGE, PrivateEngine
from tests.providers.site import ROOT, Shell
from tests.waiting import wait_until

Json = dict[str, Any]

TOKEN = "planted-token-of-the-first-user"  # noqa: S105
USER, UID = "ada", 64321
NAME = "hai-platform"
WITHIN_SECONDS = 240.0
_SERVICE = "com.docker.compose.service"


def bring_compose() -> Path | None:
    """Version 2, from the testbed's cache. None where it cannot be had, and the machine's own
    docker-compose does; with neither the test is skipped, unless CI."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    testbed = Path(ENVIRONMENT.get("HAI_TESTBED") or Path(cache) / "hai-testbed")
    build = ROOT / "scripts" / "testbed" / "build-compose"
    done = subprocess.run([build], env=ENVIRONMENT, capture_output=True, text=True, check=False)
    if done.returncode == 0:
        return testbed / "compose" / "cli-plugins"
    if shutil.which("docker-compose") is None:
        assert not os.environ.get("CI"), done.stderr
        pytest.skip(f"no docker compose: {done.stderr[-300:]}")
    return None


class Person:
    """Somebody with hai-cli, and a workspace on the share."""

    shell: Shell
    folder: Path

    def init(self, token: str = TOKEN) -> None:
        self.shell.line(f"printf %s {token} | hai-cli init --token-stdin --url http://127.0.0.1")

    def submit(self, script: str, text: str = "", *words: str) -> int:
        """By hai-cli, in the workspace; its number."""
        path = self.folder / script
        if text:
            path.write_text(text)
        said = self.shell.tried("hai-cli", "python", str(path), *words, "-q")
        assert said.code == 0, said.text
        return int(said.text.split()[-1])

    def detail(self, task: int) -> Json:
        found: Json = json.loads(self.shell.line(f"hai-cli status {task} -o json"))
        return found

    def log(self, task: int) -> str:
        return self.shell.tried("hai-cli", "logs", str(task)).text

    def wait_log(self, task: int, words: str) -> None:
        wait_until(
            lambda: words in self.log(task), WITHIN_SECONDS, what=f"{words!r} in the log of {task}"
        )

    def wait(self, task: int, state: str) -> None:
        def reached() -> bool:
            return state in self.shell.tried("hai-cli", "status", str(task)).text

        wait_until(reached, WITHIN_SECONDS, what=f"task {task} is {state}")


class Deployed(Person):
    """hai-up is called on the engine's machine: in its network namespace. A Site for the promises
    of all providers; its person is the first user."""

    def __init__(
        self, engine: PrivateEngine, image: str, plugins: Path | None, folder: Path
    ) -> None:
        self.engine, self.image = engine, image
        self.share = folder / "share"
        self.folder = self.share / "hai-platform" / "workspace" / USER
        self.home = folder / "home"
        for path in (self.share, self.home):
            path.mkdir(mode=0o755)
        self.config = self.home / "config.sh"
        docker_config = folder / "docker-config"
        docker_config.mkdir()
        if plugins is not None:
            (docker_config / "cli-plugins").symlink_to(plugins)
        variables = {
            "DOCKER_HOST": f"unix://{engine.socket}",
            "DOCKER_CONFIG": str(docker_config),
        }
        self.shell = Shell(home=self.home, variables=variables, front=engine.inside())
        self.run_words: tuple[str, ...] = ("-c", str(self.config))
        self.words: tuple[str, ...] = ("-p", "docker-compose")
        self.name = NAME
        self.write(image)

    def write(self, image: str) -> None:
        """From what hai-up config prints."""
        text = self.shell.line("hai-up config -p docker-compose")
        self.config.write_text(text)
        self.config.chmod(0o600)
        self.edit(
            SHARED_FS_ROOT=str(self.share),
            BASE_IMAGE=image,
            TRAIN_IMAGE=IMAGE,
            USER_INFO=f"{USER}:{UID}:{TOKEN}",
            ROOT_USER=USER,
            NODES="2",
            NODE_GPUS="0",
        )

    def edit(self, **values: str) -> None:
        lines = self.config.read_text().splitlines()
        for name, value in values.items():
            begins = (f"{name}=", f"# {name}=")
            at = [number for number, line in enumerate(lines) if line.startswith(begins)]
            assert len(at) == 1, name
            lines[at[0]] = f"{name}={value}"
        self.config.write_text("\n".join(lines) + "\n")

    def run(self) -> str:
        return self.shell.line(f"hai-up run -c {self.config}")

    # what the engine has

    def containers(self) -> dict[str, Json]:
        """Of the platform itself, by service."""
        return {
            one["Labels"][_SERVICE]: self.engine.inspect(one["Id"])
            for one in self.engine.containers()
            if _SERVICE in one["Labels"]  # others may go between the two questions
        }

    def parts(self) -> dict[str, str]:
        return {name: one["Id"] for name, one in self.containers().items()}

    def has_data(self) -> bool:
        return (self.share / "hai-platform" / "db" / "hai" / "postgres" / "PG_VERSION").exists()

    def kept(self) -> set[str]:
        return set()

    def left(self) -> set[str]:
        """Containers, networks, volumes and images."""
        images = {f"image {one['Id']}" for one in self.engine.ask("/images/json")}
        return images | set(self.engine.left())

    def kill(self, service: str) -> None:
        """kill -9 to its program; the engine starts it again."""
        before = self.containers()[service]["State"]
        os.kill(before["Pid"], signal.SIGKILL)

        def again() -> bool:
            state = self.containers()[service]["State"]
            return _is_healthy(state) and state["StartedAt"] != before["StartedAt"]

        wait_until(again, WITHIN_SECONDS, what=f"{service} starts again")

    def wait_ready(self) -> None:
        """Every process of the platform."""

        def ready() -> bool:
            return all(_is_healthy(one["State"]) for one in self.containers().values())

        wait_until(ready, WITHIN_SECONDS, what="the platform is healthy")

    def clean(self) -> None:
        for one in self.engine.containers():
            self.engine.remove(one["Id"])
        self.engine.call("POST", "/networks/prune")

    def bring_digits(self) -> None:
        for name in ("digits.py", "digits.csv.gz"):
            shutil.copy(ROOT / "docs" / "examples" / name, self.folder)


def _is_healthy(state: Json) -> bool:
    return bool((state.get("Health") or {}).get("Status") == "healthy")
