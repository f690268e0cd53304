"""What hai-up says of a platform whose disk of logs is full."""

import os
import subprocess

import pytest

from tests.machine import Machine, machine
from tests.waiting import wait_until

pytestmark = [pytest.mark.acceptance, pytest.mark.xdist_group("hai_up_logs")]

__all__ = ["machine"]  # the fixture


def test_status_and_doctor_tell_of_a_full_disk_of_logs(machine: Machine) -> None:
    machine.up()
    logs = machine.data / "logs"
    mount = ["mount", "-t", "tmpfs", "-o", "size=100m", "tmpfs", str(logs)]
    if subprocess.run(mount, check=False).returncode != 0:
        pytest.skip("a tmpfs cannot be mounted here (not root, or no CAP_SYS_ADMIN)")
    try:
        assert "logs" not in machine.status()
        assert "GB free for task logs" in machine.do("doctor")[0]
        with (logs / "ballast").open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, 98 * 2**20)
        why = (
            "task logs have stopped: their disk has 2 MiB free, and 5 MiB of it are the platform's"
        )
        assert machine.status()["logs"].startswith(why)
        assert why in machine.do("status")[0]
        said = machine.do("doctor")[0]
        assert why in said
        assert "[logs] user_bytes" in said
        wait_until(
            lambda: "logs.stopped" in str(machine.ask("GET", "dashboard")["events"]),
            what="the event",
        )
        (logs / "ballast").unlink()
        assert "logs" not in machine.status()
    finally:
        subprocess.run(["umount", "-l", str(logs)], check=True)
