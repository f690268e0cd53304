"""Tasks in environments of haienv, with real uv and a live platform: what they record, and what
each attempt finds."""

import json
import os
import pwd
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.person import Person, Result
from tests.conftest import PostgresServer, forget_settings, public_directory
from tests.integration.haienv_lab import wheel
from tests.live import Live
from tests.waiting import wait_until

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(280)]

_PROGRAM = """\
import os, sys, smally, torchy, subprocess, time
print("found", smally.version, torchy.version, sys.prefix, flush=True)
print("script", subprocess.check_output("smally-run", text=True).strip(), flush=True)
while len(sys.argv) > 1 and not os.path.exists(sys.argv[1]):
    time.sleep(0.05)
"""


class Desk:
    """Somebody with environments on the shared file system, over a base that has torchy 2.1."""

    def __init__(self, live: Live) -> None:
        self.live = live
        self.person = Person(live)
        self.user = pwd.getpwuid(os.getuid()).pw_name
        self.root = live.directory / "envs" / self.user
        self.root.mkdir(parents=True)
        self.base = live.directory / "base"
        self.wheels = live.directory / "wheels"
        self.wheels.mkdir()
        for version in ("1.0", "2.0"):
            wheel(self.wheels, "smally", version, script="smally-run")
        wheel(self.wheels, "torchy", "2.1")
        self.variables = {
            "HAIENV_PATH": str(self.root),
            "PIP_FIND_LINKS": str(self.wheels),
            "PIP_NO_INDEX": "1",
        }
        uv = str(Path(sys.executable).with_name("uv"))
        self.do(uv, "venv", "-q", "--no-project", "-p", sys.executable, str(self.base))
        words = ("--no-index", "-f", str(self.wheels), "torchy")
        self.do(uv, "pip", "install", "-q", "-p", str(self.base), *words)
        live.script("show.py", _PROGRAM)

    def do(self, *words: str, **more: str) -> str:
        environ = self.person.environ(**{**self.variables, **more})
        done = subprocess.run(
            words, env=environ, cwd=self.live.work_dir, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def env(self, *words: str, **more: str) -> str:
        return self.do(sys.executable, "-m", "haienv", *words, **more)

    def make(self, name: str) -> Path:
        self.env("create", name, "-p", str(self.base / "bin" / "python"))
        self.env("add", name, "smally==1.0")
        return self.root / name

    def hai(self, *words: str, **more: str) -> Result:
        environ: dict[str, Any] = {**self.variables, **more}
        return self.person(*words, **environ)

    def submit(self, *words: str, **more: str) -> int:
        """`words` follow the program's name; the id of the task."""
        done = self.hai("python", "show.py", *words, "-n", "1", "-o", "json", **more)
        assert done.code == 0, done.err
        found: int = json.loads(done.out)["id"]
        return found

    def options(self, task: int) -> dict[str, Any]:
        found: dict[str, Any] = self.live.detail(task)["spec"]["options"]
        return found

    def lines(self, task: int) -> list[str]:
        return self.person("logs", str(task)).out.splitlines()

    def found(self, task: int) -> list[list[str]]:
        """What each attempt so far found: versions of smally and torchy, and where it ran."""
        said = [line.partition("found ")[2].split() for line in self.lines(task)]
        return [words for words in said if words]


@pytest.fixture(scope="module")
def desk(postgres_server: PostgresServer) -> Iterator[Desk]:
    """One platform for all tests, with a folder for environments on its node."""
    with (
        public_directory() as directory,
        postgres_server.database() as url,
        pytest.MonkeyPatch.context() as patch,
    ):
        settings = {"HAI_AGENT__ENV_DIR": str(directory / "node")}
        with closing(Live(directory, url, settings=settings)) as live:
            forget_settings(patch)
            live.bootstrap()
            live.start()
            yield Desk(live)


def suspended(desk: Desk, name: str) -> tuple[int, Path]:
    """A task in that environment after its first attempt, and the file that lets it end."""
    go_on = desk.live.work_dir / f"{name}-go-on"
    task = desk.submit(str(go_on), "--", "--env", name, "--name", name)
    wait_until(lambda: len(desk.found(task)) == 1, what="the first attempt")
    assert desk.found(task)[0][:2] == ["1.0", "2.1"]
    assert desk.hai("suspend", str(task)).code == 0
    wait_until(lambda: desk.live.detail(task)["state"] == "suspended", what="suspended")
    return task, go_on


def test_a_resumed_task_runs_what_it_recorded(desk: Desk) -> None:
    desk.make("vision")
    task, go_on = suspended(desk, "vision")
    recorded = desk.options(task)["environment"]
    assert (recorded["name"], recorded["follow"]) == ("vision", False)
    assert recorded["digest"], "this node has a disk for packs"
    told = desk.hai("describe", str(task))
    assert f"environment: vision[{desk.user}] {recorded['identity']}" in told.out
    desk.env("add", "vision", "smally==2.0")
    go_on.touch()
    assert desk.hai("resume", str(task)).code == 0
    desk.live.wait(task, "succeeded")
    version, base, prefix = desk.found(task)[1]
    assert (version, base) == ("1.0", "2.1")
    assert prefix.startswith(str(desk.live.directory / "node" / str(os.getuid())))
    assert "script smally 1.0" in "\n".join(desk.lines(task)), "scripts find their own Python"
    newer = desk.submit("--", "--env", f"vision[{desk.user}]")
    followed = desk.submit("--", "--env", "vision", "--env-follow", "--name", "follow")
    desk.live.wait(newer, "succeeded")
    assert desk.found(newer)[0][0] == "2.0"
    assert desk.options(newer)["environment"]["identity"] != recorded["identity"]
    desk.live.wait(followed, "succeeded")
    assert "pack" not in desk.options(followed)["environment"]
    assert desk.found(followed) == [["2.0", "2.1", str(desk.root / "vision")]]


def test_a_pack_that_was_changed_is_not_run(desk: Desk) -> None:
    desk.make("changed")
    task, _ = suspended(desk, "changed")
    shutil.rmtree(desk.live.directory / "node")
    pack = Path(desk.options(task)["environment"]["pack"])
    pack.write_bytes(pack.read_bytes()[:-1000] + bytes(1000))
    desk.env("add", "changed", "smally==2.0")
    assert desk.hai("resume", str(task)).code == 0
    desk.live.wait(task, "failed")
    assert "--env-follow" in "\n".join(desk.lines(task))


def test_documents_and_the_shell_name_environments(desk: Desk) -> None:
    place = desk.make("named")
    identity = desk.env("snapshot", "named").strip()
    known = len(list((desk.root / ".packs").glob("*.tar.gz")))
    ways = ({"environment": "named"}, {"py_venv": f"named[{desk.user}]"}, {"py_venv": str(place)})
    for number, options in enumerate(ways):
        document = desk.live.task(name="show.py", environments={}, options=options)
        text = json.dumps({**document, "name": f"run{number}"})
        (desk.live.work_dir / "run.yaml").write_text(text)
        done = desk.hai("run", "run.yaml", "-o", "json")
        assert done.code == 0, done.err
        assert desk.options(json.loads(done.out)["id"])["environment"]["identity"] == identity
    inside = desk.submit("--", "--name", "inside", VIRTUAL_ENV=str(place))
    assert desk.options(inside)["environment"]["identity"] == identity
    bare = desk.submit("--", "--no-inherit", "--name", "bare", VIRTUAL_ENV=str(place))
    assert "environment" not in desk.options(bare)
    assert len(list((desk.root / ".packs").glob("*.tar.gz"))) <= known + 1, "packed once"


def test_a_missing_or_broken_environment_is_refused(desk: Desk) -> None:
    place = desk.make("broken")
    before = desk.hai("list", "-q").out
    missing = desk.hai("python", "show.py", "--", "--env", "brokenn")
    assert missing.code == 3
    assert "did you mean 'broken'?" in missing.err
    (place / "bin" / "python").unlink()
    broken = desk.hai("python", "show.py", "--", "--env", "broken")
    assert broken.code == 1
    assert "bin/python is gone" in broken.err
    assert "haienv verify broken" in broken.err
    with desk.live.client() as client:
        for options in (
            {"py_venv": "vision"},
            {"environment": "vision"},
            {"py_venv": "/x", "environment": {"name": "vision"}},
        ):
            reply = client.post("/tasks", json=desk.live.task(options=options))
            assert reply.status_code == 422, options
            assert "--env" in reply.text
    assert desk.hai("list", "-q").out == before


def test_environments_of_images_are_in_the_list(desk: Desk) -> None:
    added = desk.hai("images", "add", "train", "registry.example/train:1")
    assert added.code == 0, added.err
    conf = str(desk.live.profile())
    listed = json.loads(desk.env("list", "-o", "json", HAI_CONF=conf))
    assert [(one["name"], one["path"]) for one in listed["images"]] == [
        ("train", "registry.example/train:1")
    ]
    assert "train" in desk.env("list", HAI_CONF=conf)
    nowhere = {"HAI_SERVER": "http://127.0.0.1:9", "HAI_TOKEN": "t"}
    alone = json.loads(desk.env("list", "-o", "json", HAI_CONF="/nowhere/conf.yaml", **nowhere))
    assert alone["images"] == []
