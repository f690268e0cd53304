"""hai-up on this machine as a person uses it: real servers, real PostgreSQL, real tasks."""

import json
import os
import signal
import socket
import stat
import subprocess
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from tests.machine import Machine, machine, processes_of, running_in
from tests.waiting import PATIENCE_SECONDS, wait_until

pytestmark = pytest.mark.acceptance

__all__ = ["machine"]  # the fixture
NOBODY = 65534


def test_a_life(machine: Machine) -> None:
    """Up, again, a task, down and up, a killed server, other options, and away."""
    assert "HAI" in machine.up("--nodes", "2", "--gpus-per-node", "3")
    assert stat.S_IMODE(machine.profile.stat().st_mode) == 0o600
    for name in ("override.toml", "secret", "hai-up.json", "server.pid"):
        assert stat.S_IMODE((machine.data / name).stat().st_mode) == 0o600, name
    facts = machine.status()
    assert (facts["status"], facts["nodes"]) == ("running", {"total": 2, "free": 2})
    assert [node["gpus"] for node in machine.ask("GET", "nodes")["nodes"]] == [3, 3]
    assert machine.ask("GET", "whoami")["user"]["role"] == "admin"
    machine.ask("POST", "nodes/node-02/cordon", json={"why": "odd noises"})
    assert "2, 1 free, 1 out of use (node-02 cordoned: odd noises)" in machine.do("status")[0]
    machine.ask("POST", "nodes/node-02/resume", json={})

    said = machine.up("--nodes", "5")
    assert f"pid {facts['pid']}" in said
    assert "--nodes was 2 and is 5 now" in said

    task = machine.submit()
    machine.wait_for_state(task, "running")
    starts = machine.work / "starts"
    wait_until(lambda: starts.exists() and len(starts.read_text()) == 2)
    assert "suspending 1 task" in machine.do("down")[1]
    assert "it was not running" in machine.do("down")[1]
    assert machine.status(code=3)["workers"] == 0
    assert processes_of(machine.folder) == []

    token = machine.token()
    machine.up("--nodes", "3")
    machine.wait_for_state(task, "running")
    wait_until(lambda: len(starts.read_text()) == 4, what="the task started again")
    assert machine.token() == token
    assert machine.status()["nodes"]["total"] == 3

    os.kill(machine.pid(), signal.SIGKILL)
    wait_until(lambda: machine.code("status") == 3)
    assert "without hai-up down" in machine.status(code=3)["why"]
    assert "gone" in machine.do("doctor")[0]
    machine.up()
    (machine.work / "enough").touch()
    machine.wait_for_state(task, "succeeded")
    assert len(starts.read_text()) == 4


def test_a_lost_profile_and_a_dead_token_are_mended(machine: Machine) -> None:
    machine.profile.parent.mkdir()
    machine.profile.write_text("url: http://cluster.example\ntoken: theirs\n")
    said = machine.up()
    backup = machine.profile.with_name("conf.yaml.bak")
    assert str(backup) in said
    old = machine.token()

    machine.profile.unlink()
    machine.up()
    assert machine.token() == old

    state = json.loads((machine.data / "hai-up.json").read_text())
    (machine.data / "hai-up.json").write_text(json.dumps({**state, "token": "hai_dead"}))
    machine.do("down")
    machine.profile.unlink()
    machine.up()
    assert machine.ask("GET", "whoami")["user"]["name"] == state["user"]

    assert "put your earlier profile back" in machine.do("down", "--purge", "-y")[1]
    assert machine.token() == "theirs"
    assert not machine.data.exists()


def test_two_at_once_start_one_server(machine: Machine) -> None:
    both = [machine.start("run", "--port", "0") for _ in range(2)]
    said = [child.communicate(timeout=5 * PATIENCE_SECONDS)[1] for child in both]
    assert [child.returncode for child in both] == [0, 0], said
    pid = machine.pid()
    assert all(f"pid {pid}" in text for text in said)


def test_a_dead_database_under_a_living_server_is_mended(machine: Machine) -> None:
    machine.up()
    pid = machine.pid()
    postmaster = machine.data / "postgres" / "data" / "postmaster.pid"
    os.kill(int(postmaster.read_text().splitlines()[0]), signal.SIGKILL)
    wait_until(lambda: machine.code("status") == 1, what="status broken")
    assert machine.status(code=1)["database"]["status"] == "not running"
    machine.up()
    assert machine.pid() == pid


def test_purge_asks_and_ends_what_outlived_the_server(machine: Machine) -> None:
    machine.up()
    machine.wait_for_state(machine.submit(), "running")
    assert "--yes" in machine.do("down", "--purge", code=2)[1]
    assert machine.status()["tasks"]["active"] == 1
    os.kill(machine.pid(), signal.SIGKILL)
    machine.do("down", "--purge", "--yes")
    wait_until(lambda: processes_of(machine.folder) == [], what="no worker left")
    assert not machine.data.exists()
    assert not machine.profile.exists()


def test_a_taken_port_changes_nothing(machine: Machine) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        said = machine.do("run", "--port", str(port), code=1)[1]
    assert f"error: port {port} on 127.0.0.1 is taken" in said
    assert f"(pid {os.getpid()})" in said
    assert not machine.data.exists()


def test_a_full_disk_is_told_before_anything_is_made(machine: Machine) -> None:
    machine.data.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=20m", "tmpfs", str(machine.data)]
    if subprocess.run(mount, check=False).returncode != 0:
        machine.data.rmdir()
        pytest.skip("a tmpfs cannot be mounted here (not root, or no CAP_SYS_ADMIN)")
    try:
        said = machine.do("run", "--port", "0", code=1)[1]
        assert said.startswith("error: disk full: 20 MB free, 200 MB needed")
        assert "hint: free some space" in said
        assert list(machine.data.iterdir()) == []
    finally:
        subprocess.run(["umount", "-l", str(machine.data)], check=True)
    machine.data.rmdir()


def test_a_failed_start_leaves_nothing_running(machine: Machine) -> None:
    machine.up()
    machine.do("down")
    config = machine.data / "override.toml"
    good = config.read_text()
    config.write_text(good + "[suspend]\ngrace_seconds = -1\n")
    said = machine.do("run", code=1)[1]
    assert "suspend.grace_seconds" in said
    assert processes_of(machine.folder) == []
    config.write_text(good + "[suspend\n")
    assert "TOML" in machine.do("run", code=1)[1]
    assert processes_of(machine.folder) == []
    config.write_text(good + "[suspend]\ngrace_seconds = 77\n")
    machine.up()
    assert "grace_seconds = 77" in config.read_text()


def test_a_careless_umask_and_a_home_that_can_not_be_written(machine: Machine) -> None:
    (machine.home / "file").touch()
    nowhere = str(machine.home / "file" / "conf.yaml")
    before = os.umask(0)
    try:
        said = machine.up(HAI_CONF=nowhere)
        assert "warning: hai-cli has no profile" in said
        assert "warning: hai-cli has no profile" in machine.up(HAI_CONF=nowhere)
        machine.up()
        machine.wait_for_state(machine.submit(), "running")
    finally:
        os.umask(before)
    open_to_all = [
        path
        for path in (machine.data, *machine.data.rglob("*"))
        if not path.is_symlink() and path.stat().st_mode & 0o022 and not path.is_socket()
    ]
    assert open_to_all == []
    machine.do("down", "--purge", "--yes", HAI_CONF=nowhere)
    assert not machine.data.exists()
    machine.profile.unlink()


def test_secrets_stay_in_private_files(machine: Machine) -> None:
    machine.up()
    machine.wait_for_state(machine.submit(), "running")
    secrets = [machine.token(), (machine.data / "secret").read_text().strip(), "haiw_"]
    shown = "\n".join(processes_of(machine.folder))
    assert not any(secret in shown for secret in secrets)
    for path in machine.folder.rglob("*"):
        if path.is_file() and not path.is_symlink():
            is_log = path.suffix in (".log", ".err")
            if is_log or path.stat().st_mode & 0o044:
                data = path.read_bytes()
                assert not any(secret.encode() in data for secret in secrets[:2]), path
                assert not (is_log and b"haiw_" in data), path
    (machine.work / "enough").touch()


def test_a_folder_of_a_newer_hai_is_left_alone(machine: Machine) -> None:
    machine.data.mkdir()
    (machine.data / "hai-up.json").write_text('{"layout": 2, "version": "7.0.0"}')
    for words in (["run"], ["down"], ["status"]):
        assert "HAI 7.0.0" in machine.do(*words, code=1)[1]
    (machine.data / "hai-up.json").unlink()


@pytest.mark.parametrize("all_die", [False, True], ids=["hai-up dies", "all die"])
@pytest.mark.parametrize("sign", ["postgres/data", "postgres/initialised.json", "server.pid"])
def test_an_interrupted_set_up_is_mended(machine: Machine, sign: str, all_die: bool) -> None:
    """Killed at some moment of the first start: the next one ends it."""
    child = machine.start("run", "--port", "0")
    wait_until((machine.data / sign).exists, what=sign)
    child.kill()
    child.communicate()
    for process in running_in(machine.folder) if all_die else ():
        with suppress(psutil.Error):
            process.kill()
    machine.do("run")
    assert machine.status()["status"] == "running"


def test_ctrl_c_leaves_nothing_running(machine: Machine) -> None:
    child = machine.start("run", "--port", "0")
    wait_until(lambda: (machine.data / "server.pid").exists())
    child.send_signal(signal.SIGINT)
    said = child.communicate(timeout=2 * PATIENCE_SECONDS)[1]
    if child.returncode == 0:  # it was ready a moment before
        return
    # An interrupt inside exec(), which dataclasses use, ends CPython by SIGINT: 130 to a shell.
    assert child.returncode in (130, -signal.SIGINT), said
    assert "Traceback" not in said
    wait_until(lambda: processes_of(machine.folder) == [])


def test_a_given_database_is_used_and_kept(machine: Machine, empty_postgres_url: str) -> None:
    machine.up("--hollow-nodes", "20", HAI_DATABASE_URL=empty_postgres_url)
    facts = machine.status()
    assert facts["database"]["kind"] == "given"
    assert facts["nodes"]["total"] == 24
    assert not (machine.data / "postgres").exists()
    machine.do("down")
    machine.up()  # the URL is remembered
    assert machine.status()["database"]["kind"] == "given"


@pytest.mark.skipif(os.getuid() != 0, reason="needs root to become somebody else")
def test_an_ordinary_user(public_dir: Path) -> None:
    (public_dir / "m").mkdir(mode=0o755)
    machine = Machine(public_dir / "m", uid=NOBODY)
    try:
        child = machine.start("--version")
    except PermissionError:
        pytest.skip("this interpreter is root's only")
    assert child.communicate()[0].startswith("hai-up")
    try:
        machine.up("--nodes", "2")
        task = machine.submit()
        machine.wait_for_state(task, "running")
        (machine.work / "enough").touch()
        machine.wait_for_state(task, "succeeded")
        assert (machine.work / "starts").stat().st_uid == NOBODY
        assert {path.stat().st_uid for path in machine.data.iterdir()} == {NOBODY}
    finally:
        machine.do("down", "--purge", "--yes")
    wait_until(lambda: processes_of(machine.folder) == [], what="no process left")
