"""What goes wrong on a cluster, and what users are told: no task is lost, none runs twice."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kubernetes.platform import PodPlatform, start_platform
from tests.kubernetes.testbed import Cluster
from tests.providers.container_platform import who_ignores_the_notice_leaves_its_nodes
from tests.waiting import wait_until

pytestmark = [pytest.mark.acceptance, pytest.mark.campaign]

_LONG = 240
_TICKS = (
    "import os, time\n"
    "open(f'{os.environ[\"HAI_TASK_ID\"]}.starts', 'a').write(os.environ['HAI_ATTEMPT'] + '\\n')\n"
    "for i in range({seconds} * 10): print('tick', i, flush=True); time.sleep(.1)\n"
)


@pytest.fixture
def platform(
    public_dir: Path, postgres_url: str, cluster: Cluster, namespace: str
) -> Iterator[PodPlatform]:
    (public_dir / "site").mkdir(mode=0o755)
    settings = {
        "HAI_AGENT__LOST_AFTER_SECONDS": "8",
        "HAI_AGENT__HEARTBEAT_SECONDS": "3",
        "HAI_AGENT__SUSPECT_SECONDS": "5",
    }
    site = public_dir / "site"
    made = start_platform(site, postgres_url, cluster, namespace, **settings)
    try:
        yield made
    finally:
        made.close()


def ticks(platform: PodPlatform, seconds: int) -> str:
    return platform.script_of("ticks.py", _TICKS.replace("{seconds}", str(seconds)))


def starts(platform: PodPlatform, task: int) -> list[str]:
    return (platform.work_dir / f"{task}.starts").read_text().split()


def explained(platform: PodPlatform, task: int) -> str:
    """What `hai-cli why` prints."""
    with platform.client() as client:
        reply = client.get(f"/tasks/{task}/why")
    return json.dumps(reply.json())


def test_pod_deleted_by_hand(platform: PodPlatform) -> None:
    task = platform.submit("bob", name=ticks(platform, 12))
    platform.wait_text(task, "tick 3")
    platform.kubectl("delete", "pod", f"hai-{task}-1-0", "--grace-period=0", "--force")
    platform.wait(task, "succeeded", timeout=_LONG)
    assert starts(platform, task) == ["1", "2"]
    assert "somebody deleted its pod" in platform.why(task)
    platform.wait_clean()


def test_image_that_does_not_exist(platform: PodPlatform) -> None:
    image = "localhost:1/nothing/here:1"
    task = platform.submit(
        "bob",
        name=ticks(platform, 1),
        resource={"group": "training", "node_count": 1, "image": image},
    )
    platform.wait_why(task, f"image {image} cannot be pulled")
    assert platform.detail(task)["state"] == "starting"
    platform.stop_task(task)
    platform.wait_clean()


def test_out_of_memory_is_said(platform: PodPlatform) -> None:
    name = platform.script_of(
        "eat.py", "data = []\nwhile True: data.append(bytearray(b'x') * 2**24)\n"
    )
    node = platform.all_nodes()[0]
    for other in platform.all_nodes()[1:]:
        platform.unlabel(other)
    free = 400 * 2**20
    total = platform.nodes_now()[node]["memory_bytes"]
    filler = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "filler"},
        "spec": {
            "nodeName": node,
            "containers": [
                {
                    "name": "filler",
                    "image": platform.cluster.image,
                    "imagePullPolicy": "IfNotPresent",
                    "command": ["sleep", "600"],
                    "resources": {"requests": {"memory": str(total - free - 256 * 2**20)}},
                }
            ],
        },
    }
    path = platform.directory / "filler.json"
    path.write_text(json.dumps(filler))
    platform.kubectl("apply", "-f", str(path))
    task = platform.submit("bob", name=name)
    platform.wait(task, "failed", timeout=_LONG)
    assert "out of memory" in platform.why(task)
    assert platform.detail(task)["exit_code"] == 137


def test_exhausted_quota_of_the_namespace_holds_a_task_up(platform: PodPlatform) -> None:
    platform.kubectl("create", "quota", "none", "--hard=pods=0")
    task = platform.submit("bob", name=ticks(platform, 1))
    platform.wait_why(task, "exceeded quota")
    assert platform.detail(task)["state"] in ("starting", "queued", "suspended")
    platform.kubectl("delete", "quota", "none")
    platform.wait(task, "succeeded", timeout=_LONG)
    assert starts(platform, task) == ["1"]
    platform.wait_clean()


def test_program_that_ignores_the_notice_leaves_its_nodes(platform: PodPlatform) -> None:
    who_ignores_the_notice_leaves_its_nodes(platform)


def test_array_retry_and_time_limit(platform: PodPlatform) -> None:
    name = platform.script_of(
        "member.py", "import os\nprint('member', os.environ['HAI_ARRAY_INDEX'])\n"
    )
    document = platform.task(name=name, options={"array": "0-19"})
    with platform.client("bob") as client:
        reply = client.post("/tasks", json=document)
    assert reply.status_code == 201, reply.text
    first = reply.json()["id"]
    flaky = platform.submit(
        name=platform.script_of(
            "flaky.py", "import os, sys\nsys.exit(int(os.environ['HAI_ATTEMPT']) < 2)\n"
        ),
        options={"retry": 2},
    )
    slow = platform.submit(name=ticks(platform, 600), options={"time_limit": "4s"})
    for member in range(first, first + 20):
        platform.wait(member, "succeeded", timeout=_LONG)
    platform.wait(flaky, "succeeded", timeout=_LONG)
    assert platform.detail(flaky)["attempts"] == 2
    platform.wait(slow, "failed", timeout=_LONG)
    assert platform.detail(slow)["exit_code"] == 124
    platform.wait_clean()


def test_cut_link_of_a_node(platform: PodPlatform, own: Cluster) -> None:
    task = platform.submit("bob", name=ticks(platform, 60), nodes=2)
    platform.wait_text(task, "tick 3")
    node = platform.detail(task)["assigned_nodes"][1]
    own.link(int(node.removeprefix("node")), "down")
    try:
        said = f"rank 1 on {node}: {node} is not ready"
        wait_until(lambda: said in explained(platform, task), _LONG, what=said)
        platform.wait(task, "suspended", "queued", timeout=_LONG)
        assert "was not ready for" in platform.why(task)
        assert platform.nodes_now()[node]["health"] in ("down", "suspect")
    finally:
        own.link(int(node.removeprefix("node")), "up")
    wait_until(lambda: platform.detail(task)["attempts"] == 2, _LONG, what="the next attempt")
    platform.stop_task(task)
    platform.wait_clean()


# every node of ours is this machine: one monotonic clock for all attempts
_COUNTS = (
    "import os, time\n"
    'name = f\'{os.environ["HAI_TASK_ID"]}.{os.environ["HAI_ATTEMPT"]}.counts\'\n'
    "for _ in range({seconds} * 20):\n"
    "    with open(name, 'a') as file: file.write(f'{time.monotonic()}\\n')\n"
    "    time.sleep(.05)\n"
)


def counting(platform: PodPlatform, seconds: int) -> int:
    text = _COUNTS.replace("{seconds}", str(seconds))
    return platform.submit("bob", name=platform.script_of("counts.py", text))


def counts(platform: PodPlatform, task: int, attempt: int) -> list[float]:
    """When that attempt wrote into the folder that all nodes share."""
    file = platform.work_dir / f"{task}.{attempt}.counts"
    return [float(line) for line in file.read_text().splitlines()] if file.exists() else []


def wait_counts(platform: PodPlatform, task: int, attempt: int, more: int = 1) -> None:
    so_far = len(counts(platform, task, attempt))
    wait_until(
        lambda: len(counts(platform, task, attempt)) >= so_far + more,
        _LONG,
        what=f"attempt {attempt} writes",
    )


@pytest.mark.parametrize("is_deleted", [False, True], ids=["silent", "deleted by force"])
def test_attempts_on_both_sides_of_a_cut_never_write_in_the_same_time(
    platform: PodPlatform, own: Cluster, is_deleted: bool
) -> None:
    task = counting(platform, 600)
    wait_counts(platform, task, 1)
    node = platform.detail(task)["assigned_nodes"][0]
    own.link(int(node.removeprefix("node")), "down")
    try:
        if is_deleted:  # its container runs on: its node cannot hear of it
            pod = f"hai-{task}-1-0"
            platform.kubectl("delete", "pod", pod, "--grace-period=0", "--force", "--wait=false")
        wait_counts(platform, task, 2, more=40)
    finally:
        own.link(int(node.removeprefix("node")), "up")
    wait_counts(platform, task, 2, more=200)  # the first one's agent has spoken to the server
    platform.stop_task(task)
    platform.wait_clean()
    assert max(counts(platform, task, 1)) < min(counts(platform, task, 2))
    assert counts(platform, task, 3) == []


def test_no_program_is_paused_while_the_only_server_is_away(platform: PodPlatform) -> None:
    task = counting(platform, 600)
    wait_counts(platform, task, 1)
    platform.kill()
    wait_counts(platform, task, 1, more=400)  # 20 s; the fence is one of 5.6 s
    platform.start()
    wait_counts(platform, task, 1, more=20)
    times = counts(platform, task, 1)
    assert platform.detail(task)["attempts"] == 1
    assert "paused" not in platform.text(task)
    platform.stop_task(task)
    platform.wait_clean()
    assert len(times) > 400
