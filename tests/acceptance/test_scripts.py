"""post_system_init on local nodes: what runs before the program, and as whom."""

import os
from pathlib import Path

import pytest

from tests.acceptance.conftest import MakeLive
from tests.live import BOB_UID, Live

pytestmark = pytest.mark.acceptance


@pytest.fixture
def folder(public_dir: Path) -> Path:
    folder = public_dir / "scripts"
    folder.mkdir()
    folder.chmod(0o755)
    return folder


@pytest.fixture
def live(make_live: MakeLive, folder: Path) -> Live:
    made = make_live(settings={"HAI_AGENT__POST_SYSTEM_INIT": str(folder)})
    made.add_user("bob")
    made.script("hello.sh", "echo program; ls /proc/$(cat pid) >/dev/null && echo left\n")
    return made


def put(folder: Path, name: str, text: str, mode: int = 0o755) -> None:
    (folder / name).write_text(f"#!/bin/sh\n{text}\n")
    (folder / name).chmod(mode)


def test_scripts_run_in_order_before_the_program(live: Live, folder: Path) -> None:
    pid = live.work_dir / "pid"
    put(folder, "20-second", "echo second $HAI_USER $HAI_TASK_ID; exit 3")
    put(folder, "10-first", f"echo first; sleep 600 & echo $! > {pid}; chmod 644 {pid}")
    put(folder, "30-plain", "echo plain", mode=0o644)  # not executable: by sh
    task = live.submit("bob", name="hello.sh")
    live.wait(task, "succeeded")
    lines = [line for line in live.text(task).splitlines() if "program left" not in line]
    said = [line for line in lines if not line.startswith("[hai]")]
    assert said == ["first", f"second bob {task}", "plain", "program", "left"]
    assert "[hai] post_system_init: 20-second: exit code 3" in lines
    assert not live.programs()


@pytest.mark.skipif(os.getuid() != 0, reason="only root can run scripts as root")
def test_as_root_runs_only_what_nobody_else_can_write(live: Live, folder: Path) -> None:
    for name in ("a-root", "b-writable", "c-bobs", "d-linked"):
        put(folder, name, f"echo {name} $(id -u)")
    (folder / "b-writable").chmod(0o777)
    os.chown(folder / "c-bobs", BOB_UID, BOB_UID)
    put(live.work_dir, "target", "echo linked $(id -u)", mode=0o777)
    (folder / "d-linked").unlink()
    (folder / "d-linked").symlink_to(live.work_dir / "target")
    task = live.submit("bob", name="hello.sh")
    live.wait(task, "succeeded", "failed")
    said = live.text(task).splitlines()
    assert said[:4] == [
        "a-root 0",
        f"b-writable {BOB_UID}",
        f"c-bobs {BOB_UID}",
        f"linked {BOB_UID}",
    ]


def test_a_stop_does_not_wait_for_a_script(live: Live, folder: Path) -> None:
    put(folder, "slow", "echo begun; sleep 600")
    task = live.submit("bob", name="hello.sh")
    live.wait(task, "running", "starting")
    with live.client() as client:
        client.post(f"/tasks/{task}/stop", json={})
    live.wait(task, "stopped")
    assert "program" not in live.text(task).splitlines()
    assert not live.programs()
