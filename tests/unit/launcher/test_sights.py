"""What pods say of their workers, in plain words."""

import json
from typing import Any

import pytest

from hai.core.task import WorkerKey
from hai.core.types import TaskId
from hai.launcher.kubernetes.sights import PodFinding, departure, has_begun, is_over, sight
from hai.ports import WorkerPhase as Phase

KEY = WorkerKey(TaskId(7), 1, 0)


def pod(phase: str = "Running", worker: Any = None, prepare: Any = None, **status: Any) -> Any:
    limits = {"memory": str(2 * 2**30)}
    return {
        "metadata": {"name": "hai-7-1-0"},
        "spec": {
            "nodeName": "node1",
            "containers": [{"name": "worker", "image": "train:1", "resources": {"limits": limits}}],
            "initContainers": [{"name": "prepare", "image": "hai:1"}],
        },
        "status": {
            "phase": phase,
            "containerStatuses": [{"name": "worker", "state": worker or {}}],
            "initContainerStatuses": [{"name": "prepare", "state": prepare or {}}],
            **status,
        },
    }


def seen(item: Any) -> PodFinding:
    return sight(KEY, item)


def ended(message: str = "", **terminated: Any) -> Any:
    state = {"terminated": {"exitCode": 1, "message": message, **terminated}}
    return pod("Failed", state)


def test_report_of_the_agent_is_the_end() -> None:
    words = {"exit_code": 3, "acked": True, "saved": True, "detail": "watchdog"}
    found = seen(ended(json.dumps(words))).observation
    assert (found.phase, found.exit_code, found.detail) == (Phase.EXITED, 3, "watchdog")
    assert (found.acked, found.saved) == (True, True)


def test_report_of_a_worker_that_was_taken_away_is_a_loss() -> None:
    words = {"exit_code": 137, "acked": False, "saved": False, "lost": True, "detail": "told"}
    found = seen(ended(json.dumps(words))).observation
    assert (found.phase, found.detail) == (Phase.LOST, "told")


@pytest.mark.parametrize(
    "message",
    [
        *("", "{", "[]", '{"exit_code": "1"}', '{"exit_code": true}'),
        *("[" * 4096, '{"exit_code": -1}', '{"exit_code": ' + "9" * 4000 + "}"),
    ],
)
def test_what_is_no_report_is_none(message: str) -> None:
    found = seen(ended(message)).observation
    assert found.phase is Phase.LOST
    assert "ended with status 1" in found.detail


@pytest.mark.parametrize(
    ("reason", "message", "words"),
    [
        ("Evicted", "The node was low on resource: memory.", "was evicted from node1: The node"),
        ("OutOfcpu", "Pod Node didn't have enough resource: cpu", "was refused by node1: Pod"),
        ("OutOfnvidia.com/gpu", "x", "was refused by node1"),
        ("UnexpectedAdmissionError", "Allocate failed", "was refused by node1: Allocate"),
        ("NodeShutdown", "Pod was terminated", "was ended by the shutdown of node1"),
        ("Preempting", "", "was preempted on node1"),
    ],
)
def test_what_the_cluster_does_is_no_failure_of_the_task(
    reason: str, message: str, words: str
) -> None:
    found = seen(pod("Failed", reason=reason, message=message)).observation
    assert found.phase is Phase.NODE_LOST
    assert words in found.detail


def test_memory_is_named() -> None:
    found = seen(ended(reason="OOMKilled", exitCode=137)).observation
    assert (found.phase, found.exit_code) == (Phase.EXITED, 137)
    assert found.detail == "out of memory: its limit is 2.0 GiB"


def test_image_without_python() -> None:
    text = 'exec: "python3": executable file not found in $PATH'
    found = seen(ended(text, reason="StartError", exitCode=128)).observation
    assert (found.phase, found.exit_code) == (Phase.EXITED, 126)
    assert text in found.detail


def test_root_step_that_failed() -> None:
    state = {"terminated": {"exitCode": 1, "reason": "Error", "message": "no space left"}}
    found = seen(pod("Failed", {"waiting": {"reason": "PodInitializing"}}, state)).observation
    assert (found.phase, found.exit_code) == (Phase.EXITED, 126)
    assert "no space left" in found.detail


def waiting(reason: str, message: str = "") -> PodFinding:
    return seen(pod("Pending", {"waiting": {"reason": reason, "message": message}}))


def test_image_that_does_not_exist_is_hopeless_and_one_that_may_come_is_not() -> None:
    gone = waiting("ErrImagePull", 'failed to resolve "x": docker.io/x:latest: not found')
    assert gone.observation.phase is Phase.PENDING
    assert gone.hopeless.startswith("image train:1 cannot be pulled")
    away = waiting("ImagePullBackOff", "dial tcp 10.0.0.1:443: i/o timeout")
    assert away.observation.phase is Phase.PENDING
    assert away.hopeless == ""
    assert waiting("InvalidImageName").hopeless
    assert waiting("CreateContainerConfigError", 'configmap "x" not found').hopeless


def test_a_container_that_is_made_is_as_usual() -> None:
    for reason in ("ContainerCreating", "PodInitializing"):
        assert waiting(reason).usual
    assert seen(pod("Pending", containerStatuses=[])).usual


def test_unschedulable() -> None:
    condition = {"type": "PodScheduled", "status": "False", "message": "0/2 nodes are available"}
    found = seen(pod("Pending", conditions=[condition]))
    assert found.observation.phase is Phase.PENDING
    assert "0/2 nodes are available" in found.observation.detail
    assert not found.usual


def test_running_is_alive_also_while_it_is_deleted() -> None:
    item = pod("Running", {"running": {}})
    assert seen(item).observation.phase is Phase.ALIVE
    assert departure(item) == ""
    item["metadata"]["deletionTimestamp"] = "2026-11-28T17:00:00Z"
    assert seen(item).observation.phase is Phase.ALIVE
    assert "asked its pod hai-7-1-0 to leave" in departure(item)
    text = {"type": "DisruptionTarget", "status": "True", "message": "Eviction API: evicting"}
    item["status"]["conditions"] = [text]
    assert "Eviction API" in departure(item)


def test_what_the_cluster_says_is_bounded() -> None:
    assert len(waiting("ImagePullBackOff", "x" * 100_000).observation.detail) < 600


@pytest.mark.parametrize(
    ("root_step", "phase", "words"),
    [
        ({"exitCode": 1, "message": "no permission"}, Phase.EXITED, "prepared: no permission"),
        ({"exitCode": 1, "reason": "Error"}, Phase.LOST, "not started: its first step ended: st"),
        ({"exitCode": 137, "reason": "Error"}, Phase.LOST, "not started: its first step ended"),
        ({"exitCode": 255, "message": "gone"}, Phase.LOST, "first step ended: gone"),
    ],
)
def test_a_root_step_that_was_ended_from_outside_is_no_fault_of_the_task(
    root_step: dict[str, Any], phase: Phase, words: str
) -> None:
    found = seen(pod("Failed", prepare={"terminated": root_step})).observation
    assert found.phase is phase
    assert words in found.detail


@pytest.mark.parametrize(
    "message",
    [
        "Pod ephemeral local storage usage exceeds the total limit of containers 64Mi. ",
        'Container worker exceeded its local ephemeral storage limit "64Mi". ',
        'Usage of EmptyDir volume "hai-worker" exceeds the limit "1Gi". ',
    ],
)
def test_a_pod_that_filled_its_own_disk_failed(message: str) -> None:
    """Also when its agent was quick enough to say that it was told to go."""
    report = {"exit_code": 143, "acked": False, "saved": False, "lost": True, "detail": "told"}
    state = {"terminated": {"exitCode": 137, "message": json.dumps(report)}}
    for worker in ({}, state):
        item = pod("Failed", worker, reason="Evicted", message=message)
        found = seen(item).observation
        assert (found.phase, found.exit_code) == (Phase.EXITED, 137)
        assert "out of disk" in found.detail


def test_a_disk_that_others_filled_is_no_fault_of_the_task() -> None:
    told = "The node was low on resource: ephemeral-storage. "
    found = seen(pod("Failed", reason="Evicted", message=told)).observation
    assert found.phase is Phase.NODE_LOST
    ended_before = {"terminated": {"exitCode": 0, "message": '{"exit_code": 0}'}}
    told = "Pod ephemeral local storage usage exceeds the total limit of containers 64Mi. "
    found = seen(pod("Failed", ended_before, reason="Evicted", message=told)).observation
    assert (found.phase, found.exit_code) == (Phase.EXITED, 0)


def test_what_a_cluster_calls_failed_without_asking_the_node_may_run() -> None:
    """As its controllers do when they clear up after a node."""
    assert not is_over(pod("Failed", {"running": {"startedAt": "2026-01-01T00:00:00Z"}}))
    assert is_over(pod("Failed", {"waiting": {"reason": "ContainerCreating"}}))
    assert is_over(pod("Failed", reason="Evicted"))
    assert is_over(ended())


def test_only_a_container_that_a_node_has_started_has_begun() -> None:
    assert has_begun(pod("Running", {"running": {}}))
    assert has_begun(ended())
    assert not has_begun(pod("Pending", {"waiting": {"reason": "PodInitializing"}}))
    assert not has_begun(pod("Pending"))
