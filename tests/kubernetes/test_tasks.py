"""Tasks as pods, the whole way: CLI's API, planner, pods on real nodes, logs, and nothing left."""

import re

import pytest

from tests.acceptance.person import Person
from tests.kubernetes.platform import PodPlatform
from tests.live import BOB_UID
from tests.providers.container_platform import digits_is_preempted_and_ends_bit_equal
from tests.waiting import wait_until

pytestmark = pytest.mark.acceptance

_LONG = 180


def test_digits_on_two_nodes_is_preempted_and_ends_bit_equal(platform: PodPlatform) -> None:
    digits_is_preempted_and_ends_bit_equal(platform)


def test_users_cannot_read_each_others_files_secrets_or_logs(platform: PodPlatform) -> None:
    spy = platform.script_of(
        "spy.py",
        "import os, glob, subprocess\n"
        "print('uid', os.getuid(), os.getgid(), os.getgroups())\n"
        "for path in ('/hai/spec/spec.json', '/dev/termination-log', '/hai/worker/exit.json'):\n"
        "    try:\n"
        "        open(path, 'r+').close()\n"
        "        print('OPEN', path)\n"
        "    except OSError as error:\n"
        "        print('closed', path, error.strerror)\n"
        "print('caps', [l for l in open('/proc/self/status') if l.startswith('CapEff')])\n"
        f"print('logs', os.path.exists('{platform.data_dir}/logs/1'))\n"
        "print('account', os.path.exists('/var/run/secrets/kubernetes.io'))\n"
        "print('environ', sorted(k for k in os.environ if 'TOKEN' in k or 'SECRET' in k))\n",
    )
    mine = platform.submit(name=platform.script_of("mine.py", "print('mine')"))
    platform.wait(mine, "succeeded", timeout=_LONG)
    task = platform.submit("bob", name=spy)
    platform.wait(task, "succeeded", timeout=_LONG)
    said = platform.text(task)
    assert f"uid {BOB_UID} {BOB_UID}" in said
    assert "OPEN" not in said, said
    assert said.count("closed") == 3
    assert "logs False" in said
    assert "account False" in said
    assert "environ []" in said
    assert "CapEff:\\t0000000000000000" in said
    folder = platform.data_dir / "logs" / str(task)
    assert (folder.stat().st_uid, folder.stat().st_mode & 0o7777) == (BOB_UID, 0o2750)
    pods = platform.kubectl("get", "pods,events", "-o", "yaml")
    assert "haiw_" not in pods


def test_logs_go_on_through_a_restart_of_the_server(platform: PodPlatform) -> None:
    """Also for somebody who follows them all the time."""
    name = platform.script_of(
        "count.py",
        "import time\nfor i in range(400): print('line', i, flush=True); time.sleep(.05)",
    )
    task = platform.submit(name=name)
    follower = Person(platform).start("logs", "-f", str(task))
    try:
        platform.wait_text(task, "line 20")
        platform.kill()
        platform.start()
        platform.wait(task, "succeeded", timeout=_LONG)
        followed, complaints = follower.communicate(timeout=_LONG)
    finally:
        follower.kill()
        follower.wait()
    expected = [f"line {i}" for i in range(400)]
    assert lines_of(platform.text(task)) == expected
    assert lines_of(followed.decode()) == expected, complaints
    assert platform.events(task).count("starting") == 1
    platform.wait_clean()


def test_a_pods_log_keeps_to_the_quotas_of_its_attempt_and_its_user(platform: PodPlatform) -> None:
    """The agent keeps the newest of its share; the server removes the oldest of a user's."""
    platform.stop()
    platform.settings = {
        "HAI_LOGS__ATTEMPT_BYTES": str(2**20),
        "HAI_LOGS__USER_BYTES": str(2**20),
    }
    platform.start()
    name = platform.script_of(
        "much.py", "for i in range(3000):\n    print(i, 'x' * 1000)\nprint('last words')"
    )
    tasks = []
    for _ in range(2):
        task = platform.submit("bob", name=name)
        platform.wait(task, "succeeded", timeout=_LONG)
        files = list((platform.data_dir / "logs" / str(task)).glob("*/*.log"))
        assert sum(path.stat().st_size for path in files) <= 2**20
        assert platform.text(task).endswith("last words")
        tasks.append(task)
    first, second = tasks
    removed = "this log was removed"
    wait_until(lambda: removed in platform.text(first), _LONG, what="the oldest to go")
    assert platform.text(second).endswith("last words")
    wait_until(lambda: "task.logs_removed" in "\n".join(platform.reasons(first)), what="its event")
    (mark,) = (platform.data_dir / "logs" / str(first)).glob("*/*.log")
    assert mark.stat().st_uid == BOB_UID


def lines_of(text: str) -> list[str]:
    """The program's own, in their order."""
    return re.findall(r"\bline \d+", text)


def drain(platform: PodPlatform, node: str, task: int) -> None:
    """As an admin does: a cordon, then the Eviction API, until the pod is gone. Other pods, which
    may be other people's, stay."""
    options = ("--force", "--ignore-daemonsets", "--delete-emptydir-data", "--timeout=150s")
    chosen = f"--pod-selector=app.kubernetes.io/managed-by=hai,hai/task={task}"
    platform.cluster.kubectl("drain", node, *options, chosen)


def test_a_drain_becomes_a_suspension(platform: PodPlatform) -> None:
    task = platform.submit(
        "bob",
        name="digits.py",
        parameters="--epochs 40 --step-seconds 0.03 --checkpoint d.npz",
    )
    platform.wait_text(task, "epoch   1")
    node = platform.detail(task)["assigned_nodes"][0]
    try:
        drain(platform, node, task)
        wait_until(lambda: "suspended" in platform.events(task), _LONG, what="the suspension")
        wait_until(lambda: platform.detail(task)["attempts"] == 2, _LONG, what="the next attempt")
        platform.wait_text(task, "resumed from")
        assert platform.detail(task)["assigned_nodes"][0] != node
        assert platform.nodes_now()[node]["health"] == "cordoned"
    finally:
        platform.cluster.kubectl("uncordon", node)
    wait_until(lambda: platform.nodes_now()[node]["health"] == "ready", _LONG, what="the uncordon")
    with platform.client() as admin:
        admin.post(f"/tasks/{task}/stop").raise_for_status()
    platform.wait(task, "stopped", timeout=_LONG)
    platform.wait_clean()
