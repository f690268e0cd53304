"""Retries, time limits, dependencies, arrays, drained and lost nodes, with real processes."""

import json
import shutil
import sys
from collections.abc import Sequence

import pytest

from tests.acceptance.conftest import MakeLive
from tests.acceptance.person import Person
from tests.live import REPOSITORY, Live
from tests.waiting import wait_until

pytestmark = pytest.mark.acceptance

EXAMPLES = REPOSITORY / "docs" / "examples"


def hai_on(live: Live) -> Person:
    return Person(live)


def health_of(live: Live, name: str) -> str:
    with live.client() as client:
        nodes = client.get("/nodes").json()["nodes"]
    return next(str(node["health"]) for node in nodes if node["name"] == name)


def test_a_failed_program_is_tried_again_and_a_stop_is_final(live: Live) -> None:
    live.script("flaky.sh", '[ "$HAI_ATTEMPT" = 3 ] || exit 75\n')
    retry = {"max": 2, "backoff": 0, "on": [75]}
    done = live.wait(live.submit(name="flaky.sh", options={"retry": retry}), "succeeded")
    assert (done["attempts"], done["failures"]) == (3, 2)
    assert [a["outcome"] for a in done["attempt_list"]] == ["failed", "failed", "succeeded"]

    live.script("broken.sh", "exit 7\n")
    over = live.wait(
        live.submit(name="broken.sh", options={"retry": {"max": 5, "on": 75}}), "failed"
    )
    assert (over["attempts"], over["exit_code"]) == (1, 7)

    waiting = live.submit(name="broken.sh", options={"retry": {"max": 5, "backoff": "1h"}})
    paused = live.wait(waiting, "suspended")
    assert paused["not_before"] > paused["submitted_at"]
    assert live.events(waiting)[-1] == "retry"
    with live.client() as client:
        assert client.post(f"/tasks/{waiting}/stop").json()["state"] == "stopped"


def test_time_is_limited(live: Live) -> None:
    live.script("long.sh", "sleep 600\n")
    done = live.wait(
        live.submit(name="long.sh", options={"time_limit": "1s", "retry": 3}), "failed"
    )
    assert done["exit_code"] == 124
    assert done["why"] == "its time limit of 1s is over"
    assert done["ran_seconds"] >= 1
    assert done["attempts"] == 1


def test_tasks_wait_for_others_and_fall_with_them(live: Live) -> None:
    live.script("gate.sh", 'while [ ! -e "$1" ]; do sleep 0.05; done\n[ "$1" = good ]\n')
    live.script("quick.sh", "echo done\n")
    good = live.submit(name="good", entrypoint="gate.sh", parameters="good")
    bad = live.submit(name="bad", entrypoint="gate.sh", parameters="bad")
    after_good = live.submit(
        name="a", entrypoint="quick.sh", options={"after": [f"afterok:{good}"]}
    )
    child = live.submit(name="b", entrypoint="quick.sh", options={"after": "bad"})
    grandchild = live.submit(name="c", entrypoint="quick.sh", options={"after": child})
    anyhow = live.submit(name="d", entrypoint="quick.sh", options={"after": f"afterany:{child}"})
    assert live.detail(child)["waits_for"] == [bad]
    live.script("bad", "")
    assert live.wait(bad, "failed")["exit_code"] == 1
    assert live.wait(child, "stopped")["why"] == f"its dependency task {bad} failed"
    assert live.wait(grandchild, "stopped")["why"] == f"its dependency task {child} was stopped"
    live.wait(anyhow, "succeeded")
    assert live.detail(after_good)["state"] == "queued"
    live.script("good", "")
    live.wait(after_good, "succeeded")
    assert live.detail(after_good)["started_at"] >= live.detail(good)["ended_at"]
    assert "released" in live.events(after_good)
    with live.client() as client:
        late = live.task(name="e", entrypoint="quick.sh", options={"after": bad})
        refused = client.post("/tasks", json=late)
    assert refused.status_code == 422
    assert f"task {bad} has failed already" in refused.json()["message"]


def at_once(live: Live, ids: Sequence[int]) -> int:
    """The most tasks that held their nodes at the same time, in the order of the event log."""
    moments = []
    with live.client() as client:
        for task_id in ids:
            for event in client.get(f"/tasks/{task_id}/events").json()["events"]:
                step = {"task.starting": 1, "task.succeeded": -1}.get(event["kind"], 0)
                moments.append((event["id"], step))
    held = most = 0
    for _, step in sorted(moments):
        held += step
        most = max(most, held)
    return most


def test_an_array_keeps_its_limit(live: Live) -> None:
    hai = hai_on(live)
    live.script(
        "member.sh", 'echo "$HAI_ARRAY_INDEX of $HAI_ARRAY_SIZE in $HAI_ARRAY_ID"\nsleep 0.2\n'
    )
    done = hai("bash", "member.sh", "--", "--array", "0-10:2%2", "-p", "NORMAL", "--json")
    assert done.code == 0, done.err
    first = json.loads(done.out)["id"]
    ids = range(first, first + 6)
    ended = [live.wait(task_id, "succeeded") for task_id in ids]
    assert [task["name"] for task in ended] == [f"member.sh_[{i}]" for i in range(0, 12, 2)]
    assert live.text(first + 2).strip() == f"4 of 6 in {first}"
    assert at_once(live, ids) == 2
    listed = hai("list", "--array", str(first), "-o", "name")
    assert sorted(map(int, listed.out.split())) == list(ids)

    live.script("wait.sh", "sleep 600\n")
    done = hai("bash", "wait.sh", "--", "--array", "1-9", "-p", "NORMAL", "-q")
    second = int(done.out)
    stopped = hai("stop", f"{second}_[*]", "-y", "--json")
    assert stopped.code == 0, stopped.err
    assert len(json.loads(stopped.out)) == 9
    for task_id in range(second, second + 9):
        live.wait(task_id, "stopped")


def test_a_drained_node_is_left_and_the_work_goes_on_elsewhere(live: Live) -> None:
    hai = hai_on(live)
    for file in ("digits.py", "digits.csv.gz"):
        shutil.copy(EXAMPLES / file, live.work_dir / file)
        (live.work_dir / file).chmod(0o644)
    arguments = "--epochs 12 --save-every 1 --checkpoint d.npz --step-seconds $rest"
    rest = "[ $HAI_ATTEMPT = 1 ] && rest=0.1 || rest=0\n"  # at it until its node is drained
    live.script("digits.sh", f"{rest}exec {sys.executable} -u digits.py {arguments}\n")
    task_id = live.submit(name="digits.sh")
    wait_until(lambda: "epoch   1" in live.text(task_id), 60, what="the first epoch")
    running = live.detail(task_id)
    (node,) = running["assigned_nodes"]
    told = wait_until(lambda: live.detail(task_id)["saved_at"], what="the checkpoint")
    assert told > running["started_at"]
    assert hai("nodes", "drain", node).code == 2  # somebody works there, and nobody says yes
    pretended = hai("nodes", "drain", node, "--dry-run")
    assert f"task {task_id}" in pretended.err
    assert health_of(live, node) == "ready"
    done = hai("nodes", "drain", node, "-y", "--why", "new fans", "--json")
    assert done.code == 0, done.err
    assert json.loads(done.out)[0]["health"] == "drained"
    ended = live.wait(task_id, "succeeded", timeout=120)
    first, second = ended["attempt_list"]
    assert first["outcome"] == "suspended-clean"
    assert first["why"] == f"node {node} is drained: new fans"
    assert node not in second["nodes"]
    assert "resumed from d.npz" in live.text(task_id)
    assert hai("nodes", "resume", node).code == 0
    assert health_of(live, node) == "ready"


def test_a_lost_node_is_suspect_and_its_task_starts_again(make_live: MakeLive) -> None:
    live = make_live(settings={"HAI_AGENT__SUSPECT_SECONDS": "600"})
    live.script("once.sh", '[ "$HAI_ATTEMPT" = 2 ] || sleep 600\n')
    task_id = live.submit(name="once.sh")
    running = live.wait(task_id, "running")
    (node,) = running["assigned_nodes"]
    wait_until(live.programs, what="the program")
    live.kill()
    for process in [*live.agents(), *live.programs()]:
        process.kill()
    pid_file = live.data_dir / "workers" / f"{task_id}.1.0" / "agent.pid"
    agent = json.loads(pid_file.read_text())
    pid_file.write_text(json.dumps({**agent, "boot_id": "before the power cut"}))
    live.start()
    ended = live.wait(task_id, "succeeded")
    first, second = ended["attempt_list"]
    assert first["outcome"] == "node-lost"
    assert node not in second["nodes"]
    assert health_of(live, node) == "suspect"
