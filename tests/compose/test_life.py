"""hai-up upgrade, backup and restore with Docker, with a task running."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hai import __version__
from tests.compose.deployed import TOKEN, Deployed
from tests.docker.engine import PrivateEngine
from tests.machine import Machine
from tests.other_tree import BROKEN, LATER, REVISION, SLOW, changed_files, released_as_other
from tests.waiting import wait_until

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(1200)]

WITHIN_SECONDS = 240.0
Json = dict[str, Any]


@pytest.fixture(scope="module")
def other_images(shared_engine: PrivateEngine, platform_image: str) -> Iterator[None]:
    """Two more are in the engine: another revision with one more migration, and a broken one."""
    other = released_as_other(__version__) | changed_files(adds_migration=True)
    others = {LATER: other, BROKEN: other | changed_files(is_broken=True)}
    for name, files in others.items():
        shared_engine.derive(name, platform_image, "/opt/hai/lib", files)
    yield
    for name in others:
        assert shared_engine.call("DELETE", f"/images/{name}").status == 200


@pytest.mark.usefixtures("other_images")
def test_a_life(deployed: Deployed) -> None:
    """Up; a broken image, taken back; another revision with one more migration; a backup; nothing
    left; and all there again."""
    before = deployed.left()
    deployed.edit(API_REPLICAS="0")
    deployed.run()
    deployed.init()
    quick = deployed.submit("quick.py", "print('quick')\n", "--", "-n", "1")
    deployed.wait(quick, "succeeded")
    slow = deployed.submit("slow.py", SLOW, "--", "-n", "1")
    deployed.wait_log(slow, "begun")
    workers = _workers(deployed)
    said = _a_broken_image_is_taken_back(deployed)
    said += _upgrade(deployed)
    assert _workers(deployed) == workers, "the task was disturbed"
    said += _away_and_back(deployed, quick, slow, before)
    (deployed.folder / "enough").touch()
    deployed.wait(slow, "succeeded")
    assert (deployed.folder / "starts").read_text() == "xx"
    deployed.shell.line("hai-up down --purge --yes")
    assert deployed.left() == before
    assert TOKEN not in said


def _workers(deployed: Deployed) -> dict[str, str]:
    """Containers of the one task that runs; the other's go when the server gets to it."""

    def one() -> dict[str, str]:
        ids = set(deployed.parts().values())
        found = [one for one in deployed.engine.containers() if one["Id"] not in ids]
        running = {c["Id"]: c["Created"] for c in found if c["State"] == "running"}
        return running if len(found) == 1 else {}

    return wait_until(one, WITHIN_SECONDS, what="one container of a task")


def _images(deployed: Deployed) -> set[str]:
    return {one["Config"]["Image"] for one in deployed.containers().values()}


def _version(deployed: Deployed) -> str:
    facts = json.loads(deployed.shell.line("hai-cli whoami -o json"))
    return str(facts["server_version"])


def _a_broken_image_is_taken_back(deployed: Deployed) -> str:
    version, file = _version(deployed), deployed.config.read_text()
    secrets = _secrets(deployed)
    deployed.edit(BASE_IMAGE=BROKEN)
    done = deployed.shell.tried("hai-up", "upgrade", "-c", str(deployed.config), "--yes")
    assert done.code == 1, done.text
    assert "this build is broken" in done.text
    assert "taking it back: the database, from the backup" in done.text
    assert "failed and was taken back" in done.text
    assert _images(deployed) == {deployed.image}
    assert _version(deployed) == version
    deployed.config.write_text(file)
    assert _secrets(deployed) == secrets
    assert "nothing had to be changed" in deployed.run()
    return done.text


def _secrets(deployed: Deployed) -> dict[str, tuple[str, int, int]]:
    """Files of the whole platform's folder that only their owner reads, but for its own lock."""
    folder = deployed.share / "hai-platform"
    assert sorted(path.name for path in folder.glob("secrets*")) == ["secrets"]
    files = {path: path.stat() for path in (folder / "secrets").iterdir()}
    return {p.name: (p.read_text(), found.st_mode, found.st_uid) for p, found in files.items()}


def _upgrade(deployed: Deployed) -> str:
    deployed.edit(BASE_IMAGE=LATER)
    said = deployed.shell.line(f"hai-up upgrade -c {deployed.config} --yes")
    assert "migrated: 00" in said
    assert f"upgraded: image {LATER} runs" in said
    assert _images(deployed) == {LATER}
    assert REVISION in _version(deployed)
    _secrets(deployed)
    again = deployed.shell.line(f"hai-up upgrade -c {deployed.config} --yes")
    assert "nothing was changed" in again
    return said


def _away_and_back(deployed: Deployed, quick: int, slow: int, before: set[str]) -> str:
    """A backup, nothing left, and all there again; what ran is in its second attempt."""
    shell = deployed.shell
    override = deployed.share / "hai-platform" / "compose" / "override.toml"
    override.write_text(f"{override.read_text()}\n[suspend]\nterm_seconds = 9\n")
    said = shell.line("hai-up backup kept.zip")
    file = deployed.home / "kept.zip"
    assert file.stat().st_mode & 0o777 == 0o600
    history = deployed.detail(quick)
    shell.line("hai-up down --purge --yes")
    assert deployed.left() == before
    assert not deployed.has_data()
    said += shell.line(f"hai-up restore kept.zip -c {deployed.config}")
    assert f"go back to the head of their line: {slow}" in said
    assert "term_seconds = 9" in override.read_text(), "an admin's own setting"
    assert "note: " not in said
    assert deployed.detail(quick) == history
    deployed.wait(slow, "running")
    assert deployed.detail(slow)["attempts"] == 2
    refused = shell.tried("hai-up", "restore", "kept.zip")
    assert refused.code == 6, refused.text
    assert "is not fresh" in refused.text
    return said


@pytest.mark.campaign
def test_from_a_machine_to_docker_and_back(deployed: Deployed, public_dir: Path) -> None:
    (public_dir / "m").mkdir(mode=0o755)
    machine = Machine(public_dir / "m")
    machine.up("--nodes", "2", "--no-studio")
    machine.ask("POST", "users", json={"name": "carla", "uid": 64323})
    task = machine.submit()
    machine.wait_for_state(task, "running")
    machine.do("backup", "here.zip")
    machine.do("down", "--purge", "--yes")

    deployed.edit(API_REPLICAS="0")
    here = machine.folder / "here.zip"
    said = deployed.shell.line(f"hai-up restore {here} -c {deployed.config}")
    assert f"go back to the head of their line: {task}" in said
    deployed.init()
    users = deployed.shell.line("hai-cli users list")
    assert "carla" in users
    quick = deployed.submit("quick.py", "print('quick')\n", "--", "-n", "1")
    assert quick > task
    deployed.wait(quick, "succeeded")
    _replaced_twice(deployed)
    deployed.shell.line("hai-up backup there.zip")
    deployed.shell.line("hai-up down --purge --yes")

    machine.do("restore", str(deployed.home / "there.zip"), "-p", "local")
    assert machine.ask("GET", f"tasks/{quick}")["state"] == "succeeded"
    assert "carla" in {user["name"] for user in machine.ask("GET", "users")["users"]}
    machine.do("down", "--purge", "--yes")


def _replaced_twice(deployed: Deployed) -> None:
    """A task runs in its second attempt after each: what was written down of the worker of that
    number is forgotten."""
    slow = deployed.submit("slow.py", SLOW, "--", "-n", "1")
    deployed.wait_log(slow, "begun")
    deployed.shell.line("hai-up backup slow.zip")
    workers = [_workers(deployed)]
    for _ in range(2):
        said = deployed.shell.line("hai-up restore slow.zip --replace --yes")
        assert "this ends all tasks in hai-platform" in said
        deployed.wait(slow, "running")
        workers.append(_workers(deployed))
        assert deployed.detail(slow)["attempts"] == 2
    assert len({id for some in workers for id in some}) == 3
    deployed.shell.line(f"hai-cli stop {slow} --yes")
    deployed.wait(slow, "stopped")
