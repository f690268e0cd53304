"""Dev containers that share a node, on a real platform: who gets room, who waits and why, and that
neither a suspension nor a crash of the server touches anybody else."""

import json
import os
import re
import sys
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from hai.agent.cgroups import own_homes
from tests.acceptance.person import Person
from tests.acceptance.shared_site import GIB, GROUP, live, make_env
from tests.live import Live
from tests.waiting import wait_until

pytestmark = pytest.mark.acceptance
__all__ = ["live"]  # the fixture


def can_bound() -> bool:
    """Whether this machine lets a local worker be held to its part."""
    return os.getuid() == 0 and any(os.access(home, os.W_OK) for home in own_homes(("memory",)))


def start(live: Live, name: str, *words: str, env: str = "env") -> int:
    """`hai-cli dev start`, as far as its answer; the task's id."""
    venv = str(live.work_dir / env)
    done = Person(live)("dev", "start", name, "--py-venv", venv, *words, "-o", "json")
    assert done.code == 0, done.err
    with live.client() as client:
        tasks = client.get("/tasks", params={"name": name}).json()["tasks"]
    return int(tasks[0]["id"])


def up(live: Live, task: int) -> set[int]:
    """The processes of a container that runs and has said so."""
    live.wait(task, "running")
    wait_until(lambda: "up" in live.text(task), 60, what=f"container {task} is up")
    return pids(live, task)


def pids(live: Live, task: int) -> set[int]:
    found = set()
    for process in live.programs():
        with suppress(psutil.NoSuchProcess):  # it ended just now
            if f"{os.sep}{task}." in process.environ().get("HAI_CONTROL_DIR", ""):
                found.add(process.pid)
    return found


def why(live: Live, task: int) -> str:
    done = Person(live)("why", str(task))
    assert done.code == 0, done.err
    return " ".join(done.out.split())


def test_two_fit_a_third_waits_and_says_what_is_short(live: Live) -> None:
    one = start(live, "one", "--cpu", "1", "--memory", "4G")  # the only shared group
    two = start(live, "two", "-g", GROUP, "--cpu", "2", "--memory", "3G")
    for task in (one, two):
        up(live, task)
        assert live.detail(task)["assigned_nodes"] == ["shared-0"]
    shown = json.loads(Person(live)("nodes", "-o", "json").out)
    assert {node["name"]: sorted(node["tasks"]) for node in shown}["shared-0"] == [one, two]
    free = {node["name"]: node["free"] for node in shown}
    assert free["shared-0"] == {"cpu": 1, "memory_bytes": GIB, "gpus": 0}
    assert free["training-0"] is None, "a whole node"
    assert "1 cpu, 1 GiB of memory and 0 GPUs" in Person(live)("nodes", "-o", "wide").out
    the_dashboard_tells_the_room(live, one)
    three = start(live, "three", "--cpu", "1", "--memory", "2G")
    told = "shared-0 of shared_cpu has 1 GiB of memory free"
    wait_until(lambda: told in why(live, three), 60, what="the reason")
    assert f"the rest is held by tasks {one}, {two}" in why(live, three)
    assert "nobody is made to leave a shared node" in why(live, three)
    assert live.detail(three)["state"] == "queued"
    firmly = why(live, one)  # no turn of somebody else's ends it, and no priority
    assert "runs on its part of shared-0: no other task can take it" in firmly
    assert "idleness: " in firmly
    assert "equal" not in firmly
    assert live.detail(one)["safe_until"] is None
    tree = Person(live)("nodes", "--tree").out
    assert "and 1 more 1 cpu, 1 GiB of memory and 0 GPUs free" in " ".join(tree.split())
    assert Person(live)("dev", "stop", "one").code == 0
    up(live, three)
    assert live.detail(two)["attempts"] == 1

    again = Person(live)("sim", "replay", "--from", "1d", "-o", "json")
    assert (again.code, json.loads(again.out)) == (0, []), "every tick is decided as it was"

    refused = Person(live)("dev", "start", "huge", "--memory", "9G")
    assert refused.code == 2
    assert "no node of shared_cpu has more than 8 GiB of memory" in refused.err


def the_dashboard_tells_the_room(live: Live, task: int) -> None:
    """What is left of a node that is busy; no slice for what nobody is suspended for."""
    shown = Person(live)("top", "--once", COLUMNS="200").out.splitlines()
    group = next(line for line in shown if line.startswith(GROUP))
    assert "1 CPU 1.0G free" in group
    row = next(line for line in shown if line.split()[:2] == [str(task), "one"])
    assert " AUTO " in row
    assert "safe" not in row
    assert "safe" not in why(live, task)


def test_a_suspension_and_a_crash_touch_nobody_else(live: Live) -> None:
    one = start(live, "one", "--cpu", "1", "--memory", "1G")
    two = start(live, "two", "--cpu", "1", "--memory", "1G")
    before = up(live, two)
    assert before
    up(live, one)
    assert Person(live)("suspend", str(one)).code == 0
    live.wait(one, "suspended")
    wait_until(lambda: not pids(live, one), 60, what="the suspended one is gone")
    live.kill()
    assert pids(live, two) == before
    live.start()
    assert Person(live)("resume", str(one)).code == 0
    up(live, one)
    detail = live.detail(two)
    assert (detail["state"], detail["attempts"]) == ("running", 1)
    assert pids(live, two) == before
    third = start(live, "three", "--cpu", "3", "--memory", "1G")
    wait_until(lambda: "has 2 cpus free" in why(live, third), 60, what="both are counted")


def test_a_quota_holds_and_is_told(live: Live) -> None:
    root = Person(live)
    packed = 2 * 100_000 + 3 * 100 + 5  # GiB, cores, containers
    assert root("quota", "set", "public", f"jupyter:{GROUP}={packed}").code == 0
    assert root("quota", "set", "public", f"jupyter_memory:{GROUP}=4").code == 0
    refused = root("dev", "start", "huge", "--cpu", "4")
    assert refused.code == 5
    assert "4 cpus in shared_cpu are over the quota of root: 3 cpus" in refused.err
    one = start(live, "one", "--cpu", "2", "--memory", "1G")
    up(live, one)
    two = start(live, "two", "--cpu", "1.5", "--memory", "1G")
    told = "where the user's quota is 3 cpus, and 2 cpus are in use"
    wait_until(lambda: told in why(live, two), 60, what="the reason")
    assert root("quota", "set", "root", f"jupyter_cpu:{GROUP}=4").code == 0
    up(live, two)

    again = root("dev", "remove", "one")
    assert again.code == 6
    assert root("dev", "stop", "one").code == 0
    live.wait(one, "stopped")
    assert root("dev", "remove", "one").code == 0
    assert [row.split()[1] for row in root("dev", "list").out.splitlines()[1:]] == ["two"]
    assert root("dev", "stop", "one").code == 3


HOG = """
import os, time
print("up", flush=True)
while not os.path.exists("go"):
    time.sleep(0.1)
held = [bytearray(os.urandom(1) * 2**20) for _ in range(1024)]
print("still here", flush=True)
"""


def groups_of(processes: set[int]) -> list[Path]:
    """Control groups of their own that they are in, and those of that name that hold limits."""
    told = "\n".join(Path(f"/proc/{pid}/cgroup").read_text() for pid in processes)
    names = {name for name in re.split(r"[/\n]", told) if name.startswith("hai-")}
    return [Path(home) / name for home in own_homes(("memory", "cpu")) for name in names]


@pytest.mark.skipif(not can_bound(), reason="needs control groups that may be written")
def test_a_memory_hog_is_killed_alone(live: Live) -> None:
    script = live.script("hog.py", HOG)
    make_env(live, "hungry", f"#!/bin/sh\nexec {sys.executable} -u {script}\n")
    calm = start(live, "calm", "--cpu", "1", "--memory", "256M")
    hog = start(live, "hog", "--cpu", "1", "--memory", "256M", env="hungry")
    before = up(live, calm)
    up(live, hog)
    groups = groups_of(before)
    assert any(path.exists() for path in groups)
    (live.work_dir / "go").touch()
    assert live.wait(hog, "failed")["exit_code"] == 137
    assert "still here" not in live.text(hog)
    assert pids(live, calm) == before
    assert live.detail(calm)["state"] == "running"
    assert Person(live)("dev", "stop", "calm").code == 0
    live.wait(calm, "stopped")
    wait_until(lambda: not any(path.exists() for path in groups), 60, what="its groups are gone")


def test_a_spot_container_yields_and_comes_back(live: Live) -> None:
    spot = start(live, "spot", "--spot", "-g", "training")
    up(live, spot)
    refused = Person(live)("priority", str(spot), "HIGH")
    assert refused.code == 6
    live.script("batch.sh", "echo ran")
    batch = live.submit(name="batch.sh", priority="LOW")
    live.wait(batch, "succeeded")
    assert f"needed by task {batch}" in "\n".join(live.reasons(spot))
    live.wait(spot, "running")
    assert live.detail(spot)["attempts"] == 2
