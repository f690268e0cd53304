"""hai-up with Docker: five commands to a trained model, again, changed, down, up, away."""

import json
import subprocess
from pathlib import Path

import pytest

from hai_up.first_rows import UID as PLATFORM_UID
from tests.compose.deployed import NAME, TOKEN, UID, Deployed
from tests.compose.hostile import BOB_TOKEN, invite, users_are_kept_apart
from tests.docker.engine import PrivateEngine
from tests.providers.promises import keeps_its_promises
from tests.unit.hai_up.compose_plans import VARIANTS, planned
from tests.waiting import wait_until

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(1500)]

WITHIN_SECONDS = 240.0
_UNTIL = """
import pathlib, time
print("begun", flush=True)
while not pathlib.Path("{}").exists():
    time.sleep(.1)
print("done")
"""
DIGITS = "--epochs 12 --step-seconds 0.002"


def test_from_nothing_to_a_trained_model_and_back(deployed: Deployed) -> None:
    before = deployed.left()
    invite(deployed)
    said = deployed.run()
    assert f"HAI runs in project {NAME}" in said
    assert TOKEN not in said
    deployed.init()
    _hello(deployed)
    _no_secret_in_the_open(deployed)
    users_are_kept_apart(deployed)
    _digits_are_preempted_and_end_bit_equal(deployed)
    _a_killed_control_is_back(deployed)
    _a_changed_variable_recreates_what_it_touches(deployed)
    _down_suspends_and_run_resumes(deployed)
    said = deployed.shell.line("hai-up down --purge --yes")
    assert "stopping 1 task" in said
    assert deployed.left() == before
    platform = deployed.share / "hai-platform"
    assert {path.name for path in platform.iterdir()} == {"workspace"}
    assert (deployed.folder / "hello.py").exists()


def _hello(deployed: Deployed) -> None:
    text = "import os\nprint('hello by', os.getuid())\n"
    task = deployed.submit("hello.py", text, "--", "-n", "1")
    deployed.wait_log(task, f"hello by {UID}")


def _no_secret_in_the_open(deployed: Deployed) -> None:
    """Neither in the compose file nor in what the engine tells or keeps of the containers."""
    folder = deployed.share / "hai-platform" / "secrets"
    secrets = {path.name: path.read_text().strip() for path in folder.iterdir()}
    assert set(secrets) == {"pgpass", "postgres-password", "redis-password", "signing-key"}
    for path in folder.iterdir():
        found = path.stat()
        assert (found.st_mode & 0o7777, found.st_uid) == (0o400, PLATFORM_UID), path
    state = deployed.share / "hai-platform" / "compose" / "hai-up.json"
    assert state.stat().st_mode & 0o7777 == 0o600
    values = {one.rpartition(":")[2] for one in secrets.values()}
    values |= {TOKEN, BOB_TOKEN, json.loads(state.read_text())["secrets"]["admin_token"]}
    assert TOKEN not in state.read_text()
    open_files = [p for p in state.parent.rglob("*") if p.is_file() and p != state]
    text = "".join(path.read_text() for path in open_files)
    text += json.dumps(deployed.containers())
    text += deployed.shell.line("hai-up logs -n 1000; hai-up status")
    assert "control" in text
    assert not [value for value in values if value in text]


def _digits_are_preempted_and_end_bit_equal(deployed: Deployed) -> None:
    deployed.bring_digits()

    def digits(out: str, priority: str, rest: float) -> int:
        own = f"--checkpoint {out}.npz --out {out}.npy --step-seconds {rest}"
        words = f"{DIGITS} {own} -- -n 2 -p {priority}"
        return deployed.submit("digits.py", "", *words.split(), "--name", out)

    alone = digits("alone", "NORMAL", 0.0)
    deployed.wait(alone, "succeeded")
    first = digits("disturbed", "LOW", 0.03)  # still at it when another one comes
    deployed.wait_log(first, "epoch   2")
    urgent = deployed.submit("quick.py", "print('quick')\n", *["--", "-n", "2", "-p", "HIGH"])
    deployed.wait(urgent, "succeeded")
    deployed.wait(first, "succeeded")
    assert "resumed from" in deployed.log(first)
    assert deployed.detail(first)["attempts"] == 2
    one, two = (deployed.folder / f"{name}.npy" for name in ("alone", "disturbed"))
    assert one.read_bytes() == two.read_bytes()


def _a_killed_control_is_back(deployed: Deployed) -> None:
    """With a task that neither notices nor is lost."""
    task = deployed.submit("wait.py", _UNTIL.format("enough"), "--", "-n", "1")
    deployed.wait_log(task, "begun")
    deployed.kill("control")
    (deployed.folder / "enough").touch()
    deployed.wait(task, "succeeded")
    assert deployed.detail(task)["attempts"] == 1
    later = deployed.submit("hello.py", "", "--", "-n", "1")
    deployed.wait(later, "succeeded")


def _a_changed_variable_recreates_what_it_touches(deployed: Deployed) -> None:
    parts = deployed.parts()
    assert "nothing had to be changed" in deployed.run()
    assert _dryrun(deployed) == "nothing would change\n"
    assert deployed.parts() == parts
    deployed.edit(HAI_STUDIO_PORT="8088")
    assert "~ container studio: would be made anew" in _dryrun(deployed)
    deployed.run()
    now = deployed.parts()
    assert {name for name in parts if parts[name] != now[name]} == {"studio"}


def _dryrun(deployed: Deployed) -> str:
    deployed.shell.line(f"hai-up dryrun -c {deployed.config} --out plan")
    return (deployed.home / "plan" / "changes.diff").read_text()


def _down_suspends_and_run_resumes(deployed: Deployed) -> None:
    """It runs on at the end."""
    text = "import time\nprint('begun', flush=True)\ntime.sleep(600)\n"
    task = deployed.submit("slow.py", text, "--", "-n", "1")
    deployed.wait_log(task, "begun")
    said = deployed.shell.line("hai-up down")
    assert "suspending 1 task" in said
    assert deployed.engine.left() == []
    assert "not running" in deployed.shell.tried("hai-up", "status").text
    deployed.run()
    deployed.wait(task, "running")
    wait_until(lambda: deployed.log(task).count("begun") == 2, WITHIN_SECONDS, what="its 2nd start")


def test_promises(deployed: Deployed) -> None:
    deployed.edit(API_REPLICAS="0")  # one process that does all
    keeps_its_promises(deployed)


def test_version_1_of_compose_and_then_version_2(
    engine: PrivateEngine, platform_image: str, plugins: Path | None, public_dir: Path
) -> None:
    """Debian's docker-compose; what it made is taken over by the plugin, where that can be had."""
    for path in (public_dir / "old", public_dir / "new"):
        path.mkdir(mode=0o755)
    deployed = Deployed(engine, platform_image, None, public_dir / "old")
    deployed.edit(API_REPLICAS="0")
    try:
        version = deployed.shell.line(f"hai-up doctor -c {deployed.config}")
        assert "docker-compose 1." in version
        deployed.run()
        parts = deployed.parts()
        assert "nothing had to be changed" in deployed.run()
        assert deployed.parts() == parts
        if plugins is None:
            return
        newer = Deployed(engine, platform_image, plugins, public_dir / "new")
        newer.edit(SHARED_FS_ROOT=str(deployed.share), API_REPLICAS="0")
        assert "another version of docker compose" in newer.run()
        assert not set(newer.parts().values()) & set(parts.values())
        newer.shell.line("hai-up down --purge --yes")
        assert engine.left() == []
    finally:
        deployed.clean()


def test_compose_reads_every_variant(plugins: Path | None, tmp_path: Path) -> None:
    """Every version that is here, without an engine; of the variants one of each kind of task and
    database."""
    commands = ["docker-compose", *([str(plugins / "docker-compose")] if plugins else [])]
    for number, changes in enumerate(VARIANTS[-3:]):
        file = tmp_path / f"{number}.yaml"
        file.write_text(planned(**changes).files["docker-compose.yaml"])
        for command in commands:
            words = [command, "--file", str(file), "--project-name", NAME, "config", "--quiet"]
            done = subprocess.run(words, capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stderr
