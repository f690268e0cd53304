"""hai-up backup, restore and upgrade on this machine: real servers, real PostgreSQL, real tasks."""

import getpass
import json
import os
import stat
import subprocess
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from hai import __version__
from tests.machine import PROGRAM, ROOT, Machine, machine
from tests.old_databases import fill
from tests.other_tree import REVISION, installed, other_tree
from tests.waiting import wait_until

__all__ = ["machine"]

pytestmark = pytest.mark.acceptance


def short_task(machine: Machine) -> int:
    (machine.work / "short.py").write_text("print('done')\n")
    spec = {"entrypoint": "short.py", "workspace": str(machine.work)}
    task = {"version": 2, "name": "short", "spec": spec, "resource": {"node_count": 1}}
    return int(machine.ask("POST", "tasks", json=task)["id"])


def quotas(machine: Machine) -> list[Any]:
    return sorted(machine.ask("GET", "quotas")["quotas"], key=json.dumps)


def secrets_of(machine: Machine) -> list[str]:
    state = json.loads((machine.data / "hai-up.json").read_text())
    return [state["token"], (machine.data / "secret").read_text().strip()]


def rewritten(file: Path, name: str, change: dict[str, Any]) -> Path:
    """A copy of the backup whose manifest says something else."""
    copy = file.with_name(name)
    with zipfile.ZipFile(file) as old, zipfile.ZipFile(copy, "w") as new:
        for member in old.namelist():
            data = old.read(member)
            if member == "manifest.json":
                data = json.dumps(json.loads(data) | change).encode()
            new.writestr(member, data)
    return copy


def test_everything_comes_back(machine: Machine) -> None:
    """A backup under load; all gone; all there again, and the backup is refused a second time."""
    machine.up("--nodes", "3", "--no-studio")
    uid = 64321 if os.getuid() == 0 else None
    bob = machine.ask("POST", "users", json={"name": "bob", "uid": uid})["token"]["token"]
    mine = {"user": "bob", "resource": "node-training-HIGH", "nodes": 1}
    machine.ask("PUT", "quotas", json={"quotas": [mine]})
    override = machine.data / "override.toml"
    override.write_text(override.read_text() + '\n[logs]\nlevel = "debug"\n')
    finished, running = short_task(machine), machine.submit()
    machine.wait_for_state(finished, "succeeded")
    machine.wait_for_state(running, "running")
    before, planted = quotas(machine), secrets_of(machine)
    history = machine.ask("GET", f"tasks/{finished}")

    file = machine.folder / "kept.zip"
    out, said = machine.do("backup", str(file))
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert machine.ask("GET", f"tasks/{running}")["state"] == "running"
    assert machine.do("backup", str(file), code=6)[1].startswith(f"error: {file} exists already")
    assert [path.name for path in machine.folder.glob(".*")] == []

    _, refused = machine.do("restore", str(file), code=6)
    assert "is not fresh: it holds 2 tasks, user bob; nothing was changed" in refused
    assert machine.ask("GET", f"tasks/{running}")["state"] == "running"

    machine.do("down", "--purge", "--yes")
    said += machine.do("restore", str(file))[1]
    assert not [secret for secret in planted if secret in out + said]
    assert 'level = "debug"' in override.read_text()
    assert f"go back to the head of their line: {running}" in said
    machine.wait_for_state(running, "running")
    again = machine.ask("GET", f"tasks/{running}")
    assert [one["number"] for one in again["attempt_list"]] == [1, 2]
    assert "restored from a backup" in again["attempt_list"][0]["why"]
    assert quotas(machine) == before
    assert machine.ask("GET", f"tasks/{finished}") == history
    assert {user["name"] for user in machine.ask("GET", "users")["users"]} >= {"bob"}
    assert secrets_of(machine)[1] != planted[1], "a worker of the old place would be believed"
    assert machine.status()["nodes"]["total"] == 3
    machine.profile.write_text(machine.profile.read_text().replace(machine.token(), bob))
    assert machine.ask("GET", "whoami")["user"]["name"] == "bob"


def test_bad_files_change_nothing(machine: Machine) -> None:
    machine.up("--nodes", "2", "--no-studio")
    file = machine.folder / "kept.zip"
    machine.do("backup", str(file))
    whole, pid = file.read_bytes(), machine.pid()
    middle = len(whole) // 2

    torn = machine.folder / "torn.zip"
    for data in (whole[:middle], whole[:middle] + b"?" + whole[middle + 1 :], b""):
        torn.write_bytes(data)
        assert "damaged" in machine.do("restore", str(torn), code=2)[1]
    newer = rewritten(file, "newer.zip", {"format": 2})
    assert "format 2" in machine.do("restore", str(newer), code=2)[1]
    assert "there is no file" in machine.do("restore", "nowhere.zip", code=2)[1]
    assert machine.pid() == pid
    file.chmod(0o644)
    assert "others can read it" in machine.do("restore", str(file))[1]


@dataclass(frozen=True)
class Installation:
    """hai-up of an environment of its own."""

    machine: Machine
    python: Path

    def do(self, *words: str, code: int = 0) -> str:
        """Everything that it says; its exit code must be this one."""
        kept = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        own = {"HOME": str(self.machine.home), "HAI_DATA_DIR": str(self.machine.data)}
        done = subprocess.run(
            [self.python, "-m", "hai_up.cli", *words],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=self.machine.folder,
            env={**kept, **own},
            check=False,
        )
        assert done.returncode == code, done.stdout
        return done.stdout


def test_an_upgrade_and_one_that_is_taken_back(machine: Machine, public_dir: Path) -> None:
    """To a broken build first, whose migration is taken back; then to one that works."""
    later = other_tree(public_dir / "later")
    broken = other_tree(public_dir / "broken", is_broken=True)
    ours, theirs, bad = (
        Installation(machine, installed(public_dir / name, tree))
        for name, tree in (("a", ROOT), ("b", later), ("c", broken))
    )
    ours.do("run", "--port", "0", "--nodes", "2", "--no-studio")
    task = machine.submit()
    machine.wait_for_state(task, "running")
    starts = machine.work / "starts"
    wait_until(lambda: starts.exists() and starts.read_text() == "xx")

    said = bad.do("upgrade", "--yes", code=1)
    assert "this build is broken" in said
    assert "taking it back: the database, from the backup" in said
    assert f"was taken back, HAI {__version__} runs" in said
    assert machine.status()["version"] == __version__
    assert "installed" not in machine.status()
    assert machine.ask("GET", f"tasks/{task}")["state"] == "running"

    said = theirs.do("upgrade", "--yes")
    assert "migrated: 00" in said
    assert "upgraded: HAI 0.1.0+gabcdef0123 runs" in said
    told = machine.status()
    assert REVISION in told["version"]
    assert told["installed"] == __version__
    assert f"not {__version__}, which is installed" in ours.do("run")
    assert machine.ask("GET", f"tasks/{task}")["state"] == "running"
    (machine.work / "enough").touch()
    machine.wait_for_state(task, "succeeded")
    assert starts.read_text() == "xx", "the task was disturbed"
    assert len(list(machine.folder.glob("hai-backup-*.zip"))) == 2
    assert theirs.do("down")


def test_an_upgrade_without_the_old_programs(machine: Machine, public_dir: Path) -> None:
    """They were replaced in place: nobody can start them, and the database waits for them."""
    broken = other_tree(public_dir / "broken", is_broken=True)
    machine.up("--nodes", "2", "--no-studio")
    _, said = machine.do("upgrade", "--yes", code=1, PYTHONPATH=str(broken))
    assert f"HAI {__version__} is not installed any more; its database is as it was" in said
    machine.up()
    assert machine.status()["version"] == __version__


def test_nothing_to_upgrade(machine: Machine) -> None:
    assert "there is no platform" in machine.do("upgrade", "--yes", code=3)[1]
    assert "there is no platform" in machine.do("backup", code=3)[1]
    machine.up("--nodes", "1", "--no-studio")
    assert "already; nothing was changed" in machine.do("upgrade", "--yes")[1]
    machine.do("down")
    assert "no server runs" in machine.do("upgrade", "--yes", code=3)[1]
    machine.do("backup", "stopped.zip")
    assert machine.status(code=3)["database"]["status"] == "not running"


def test_a_database_of_an_earlier_release(machine: Machine, empty_postgres_url: str) -> None:
    """New tools, run: it is migrated, and what ran when it was left runs again."""
    user, uid = getpass.getuser(), os.getuid()
    fill(empty_postgres_url, "schema_0004", machine.work, user=user, uid=uid)
    for name, text in (("short.py", "print('hello')\n"), ("long.py", PROGRAM)):
        (machine.work / name).write_text(text)
    words = ("--nodes", "3", "--no-studio", "--user", user)
    machine.up(*words, HAI_DATABASE_URL=empty_postgres_url)
    states = {task: machine.ask("GET", f"tasks/{task}")["state"] for task in (1, 2, 4)}
    assert states == {1: "succeeded", 2: "failed", 4: "suspended"}
    starts = machine.work / "starts"
    wait_until(lambda: starts.exists() and starts.read_text() == "xx", 60, what="task 3 again")
    assert len(machine.ask("GET", "tasks/3")["attempt_list"]) == 2
    machine.do("down")
    machine.up()
    wait_until(lambda: len(starts.read_text()) == 4, 60, what="task 3 after down and run")
    (machine.work / "enough").touch()
    machine.wait_for_state(3, "succeeded")
    machine.wait_for_state(5, "succeeded")
    assert {user["name"] for user in machine.ask("GET", "users")["users"]} >= {"bob"}
