"""Tasks in environments of haienv, with real uv and a live platform: what they record, and what
each attempt finds."""

import json
import os
import pwd
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.conftest import MakeLive
from tests.acceptance.person import Person, Result
from tests.integration.test_haienv_packages import wheel
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

    def do(self, *words: str) -> str:
        environ = self.person.environ(**self.variables)
        done = subprocess.run(
            words, env=environ, cwd=self.live.work_dir, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def env(self, *words: str) -> str:
        return self.do(sys.executable, "-m", "haienv", *words)

    def make(self, name: str = "vision") -> Path:
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


@pytest.fixture
def make_desk(make_live: MakeLive, public_dir: Path) -> Callable[..., Desk]:
    def make(*, local: bool) -> Desk:
        folder = {"HAI_AGENT__ENV_DIR": str(public_dir / "node")} if local else {}
        return Desk(make_live(settings=folder))

    return make


@pytest.mark.parametrize("local", [True, False], ids=["node-local", "shared"])
def test_a_resumed_task_runs_what_it_recorded(
    make_desk: Callable[..., Desk], *, local: bool
) -> None:
    desk = make_desk(local=local)
    place = desk.make()
    go_on = desk.live.work_dir / "go-on"
    task = desk.submit(str(go_on), "--", "--env", "vision")
    wait_until(lambda: len(desk.found(task)) == 1, what="the first attempt")
    assert desk.found(task)[0][:2] == ["1.0", "2.1"]
    recorded = desk.options(task)["environment"]
    assert (recorded["name"], recorded["follow"]) == ("vision", False)
    told = desk.hai("describe", str(task))
    assert f"vision[{desk.user}] {recorded['identity']}" in told.out
    assert desk.hai("suspend", str(task)).code == 0
    wait_until(lambda: desk.live.detail(task)["state"] == "suspended", what="suspended")
    desk.env("add", "vision", "smally==2.0")
    desk.env("create", "other", "-p", str(desk.base / "bin" / "python"))
    assert desk.hai("resume", str(task)).code == 0
    wait_until(lambda: len(desk.found(task)) == 2, what="the second attempt")
    go_on.touch()
    desk.live.wait(task, "succeeded")
    version, base, prefix = desk.found(task)[1]
    assert (version, base) == ("1.0", "2.1")
    assert prefix != str(place)
    assert "script smally 1.0" in "\n".join(desk.lines(task)), "scripts find their own Python"
    is_local = prefix.startswith(str(desk.live.directory / "node" / str(os.getuid())))
    assert is_local == local
    newer = desk.submit("--", "--env", f"vision[{desk.user}]")
    desk.live.wait(newer, "succeeded")
    assert desk.found(newer)[0][0] == "2.0"
    assert desk.options(newer)["environment"]["identity"] != recorded["identity"]


def test_a_task_may_follow_the_name(make_desk: Callable[..., Desk]) -> None:
    desk = make_desk(local=False)
    place = desk.make()
    task = desk.submit("--", "--env", "vision", "--env-follow")
    followed = desk.options(task)["environment"]
    assert followed["follow"] is True
    assert "pack" not in followed
    desk.live.wait(task, "succeeded")
    assert desk.found(task) == [["1.0", "2.1", str(place)]]


def test_environments_of_documents_and_of_the_shell(make_desk: Callable[..., Desk]) -> None:
    desk = make_desk(local=True)
    place = desk.make()
    identity = desk.env("snapshot", "vision").strip()
    document: dict[str, Any] = desk.live.task(name="show.py", environments={})
    for number, options in enumerate(
        (
            {"environment": "vision"},
            {"py_venv": f"vision[{desk.user}]"},
            {"py_venv": str(place)},
        )
    ):
        text = json.dumps({**document, "name": f"run{number}", "options": options})
        (desk.live.work_dir / "run.yaml").write_text(text)
        done = desk.hai("run", "run.yaml", "-o", "json")
        assert done.code == 0, done.err
        task = json.loads(done.out)["id"]
        assert desk.options(task)["environment"]["identity"] == identity
    desk.live.wait(task, "succeeded")
    inside = desk.submit("--", VIRTUAL_ENV=str(place))
    assert desk.options(inside)["environment"]["identity"] == identity
    bare = desk.submit("--", "--no-inherit", "--name", "bare", VIRTUAL_ENV=str(place))
    assert "environment" not in desk.options(bare)
    assert len(list((desk.root / ".packs").glob("*.tar.gz"))) == 1, "packed once"


def test_a_missing_or_broken_environment_is_refused(make_desk: Callable[..., Desk]) -> None:
    desk = make_desk(local=False)
    place = desk.make()
    before = desk.hai("list", "-q").out
    missing = desk.hai("python", "show.py", "--", "--env", "visionn")
    assert missing.code == 3
    assert "did you mean 'vision'?" in missing.err
    (place / "bin" / "python").unlink()
    broken = desk.hai("python", "show.py", "--", "--env", "vision")
    assert broken.code == 1
    assert "bin/python is gone" in broken.err
    assert "haienv verify vision" in broken.err
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


def test_a_pack_that_was_changed_is_not_run(make_desk: Callable[..., Desk]) -> None:
    desk = make_desk(local=True)
    place = desk.make()
    go_on = desk.live.work_dir / "go-on"
    held = desk.submit(str(go_on), "--", "--env", "vision")
    wait_until(lambda: desk.found(held), what="the first attempt")
    assert desk.hai("suspend", str(held)).code == 0
    wait_until(lambda: desk.live.detail(held)["state"] == "suspended", what="suspended")
    shutil.rmtree(desk.live.directory / "node")
    pack = Path(desk.options(held)["environment"]["pack"])
    pack.write_bytes(pack.read_bytes()[:-1000] + bytes(1000))
    desk.env("add", "vision", "smally==2.0")
    assert desk.hai("resume", str(held)).code == 0
    desk.live.wait(held, "failed")
    assert "--env-follow" in "\n".join(desk.lines(held))
    assert place.is_dir()
