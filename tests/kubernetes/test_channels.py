"""A shell, files, a port and OpenSSH in a pod, without a right to `pods/exec`."""

import socket
import subprocess

import pytest

from tests.acceptance.forwarding import SERVES, forwarded
from tests.acceptance.person import Person
from tests.kubernetes.platform import PodPlatform
from tests.live import BOB_UID
from tests.waiting import wait_until

pytestmark = pytest.mark.acceptance

_LONG = 180


def test_a_pod_is_entered_as_its_user(platform: PodPlatform) -> None:
    task = platform.submit("bob", name=platform.script_of("serves.py", SERVES))
    platform.wait_text(task, "up")
    bob = Person(platform, "bob")
    line = "id -u; id -un; pwd; echo $RANK; cat /hai/spec/spec.json; exit 5"
    done = bob("shell", str(task), "--", line)
    assert done.code == 5, done.err
    assert done.out.splitlines() == [str(BOB_UID), "bob", str(platform.work_dir), "0"]
    assert "Permission denied" in done.err
    there = bob("cp", f"{task}:/etc/hostname", "hostname")
    assert there.code == 0, there.err
    pod = platform.kubectl("get", "pods", "-o", "name").split()[0].removeprefix("pod/")
    assert (bob.desk / "hostname").read_text().strip() == pod
    words = platform.text(task).split()
    echo = int(words[words.index("ports") + 2])
    with (
        forwarded(bob, str(task), f":{echo}") as (here,),
        socket.create_connection(("127.0.0.1", here), 60) as call,
    ):
        call.settimeout(60)
        call.sendall(b"hello")
        assert call.recv(10) == b"hello"
    if platform.cluster.is_ours:
        enter_by_ssh(platform, bob, task)
    else:
        refused = bob("ssh", str(task), "--", "true")
        assert "no OpenSSH server" in refused.err
    with platform.client() as admin:
        admin.post(f"/tasks/{task}/stop").raise_for_status()
    platform.wait(task, "stopped", timeout=_LONG)
    platform.wait_clean()


def enter_by_ssh(platform: PodPlatform, bob: Person, task: int) -> None:
    """A command, scp, a terminal, and the end of the task under the session."""
    done = bob("ssh", str(task), "--", "id -un; id -u; echo $HAI_TASK_ID; exit 6")
    assert done.code == 6, done.err
    assert done.out.splitlines() == ["bob", str(BOB_UID), str(task)]
    config = platform.directory / "ssh" / "config"
    scp = ["scp", "-F", str(config), f"hai-{task}:/etc/hostname", str(bob.desk / "by-scp")]
    subprocess.run(scp, check=True, capture_output=True, timeout=_LONG)
    assert (bob.desk / "by-scp").read_text() == (bob.desk / "hostname").read_text()
    other = platform.submit("bob", name=platform.script_of("waits.py", SERVES))
    platform.wait_text(other, "up")
    with bob.terminal("ssh", str(other)) as shell:
        shell.child.sendline("tty; echo at''home")
        shell.child.expect("/dev/pts/[0-9]+")
        shell.child.expect("athome")
        with platform.client() as admin:
            admin.post(f"/tasks/{other}/stop").raise_for_status()
        platform.wait(other, "stopped", timeout=_LONG)
        wait_until(lambda: not shell.child.isalive(), _LONG, what="the end of ssh")
        assert shell.child.exitstatus == 255
