"""A task runs the code that was there when it was submitted, whatever is pushed meanwhile."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.live import BOB_UID, REPOSITORY, Live
from tests.waiting import wait_until

pytestmark = pytest.mark.acceptance

PROGRAM = """
. ./part.sh
echo "code $VERSION"
[ -e out/first ] && exit 0
mkdir out
echo results > out/first
sleep 3600
"""


class Desk:
    """Bob's project, on a machine that has nothing but the platform's URL."""

    def __init__(self, live: Live) -> None:
        self.folder = live.work_dir / "laptop" / "digits"
        self.folder.mkdir(parents=True)
        self.variables = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(REPOSITORY),
            "HOME": str(self.folder.parent),
            "HAI_CONF": str(live.profile("bob")),
        }

    def run(self, module: str, *args: str, code: int = 0) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [sys.executable, "-c", f"from {module} import main; main()", *args],
            cwd=self.folder,
            env=self.variables,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == code, done.stderr
        return done

    def workspace(self, *args: str, code: int = 0) -> subprocess.CompletedProcess[str]:
        return self.run("haiworkspace.cli", *args, code=code)

    def cli(self, *args: str) -> str:
        return self.run("hai.cli.main", *args).stdout

    def write(self, **texts: str) -> None:
        for name, text in texts.items():
            (self.folder / f"{name}.sh").write_text(text)


def test_a_resumed_task_runs_the_code_that_it_was_submitted_with(live: Live) -> None:
    live.add_user("bob")
    desk = Desk(live)
    desk.write(train=PROGRAM, part="VERSION=one\n")
    said = desk.workspace("init", "digits").stderr
    assert f"-> {live.url}/workspaces/digits" in said
    task_id = json.loads(desk.cli("bash", "train.sh", "--", "-o", "json"))["id"]
    live.wait(task_id, "running")
    wait_until(lambda: "code one" in live.text(task_id), what="its first line")
    folder = Path(live.detail(task_id)["spec"]["spec"]["workspace"])
    assert folder.is_relative_to(live.data_dir / "workspace" / "bob")

    desk.write(part="VERSION=two\n")
    desk.workspace("push")
    twin = folder.parents[2]
    assert (twin / "part.sh").read_text() == "VERSION=two\n"
    desk.cli("suspend", str(task_id))
    live.wait(task_id, "suspended")
    desk.cli("resume", str(task_id))
    live.wait(task_id, "succeeded")
    assert live.text(task_id).count("code one") == 2
    assert "code two" not in live.text(task_id)

    shown = json.loads(desk.cli("describe", str(task_id), "--code", "-o", "json"))
    assert (shown["snapshot"], shown["workspace"]) == (folder.name, "digits")
    assert sorted(shown["files"]) == ["part.sh", "train.sh"]
    changed = desk.workspace("diff", str(task_id), "-o", "json", code=1).stdout
    assert [(one["change"], one["path"]) for one in json.loads(changed)] == [("changed", "part.sh")]
    desk.workspace("pull", str(task_id))
    assert (desk.folder / "out" / "first").read_text() == "results\n"
    assert (desk.folder / "part.sh").read_text() == "VERSION=two\n"
    if os.geteuid() == 0:
        assert (folder / "part.sh").stat().st_uid == BOB_UID
