"""Which pod keeps a StatefulSet from the template that was just applied."""

from typing import Any

import pytest

from hai_up.providers.kubernetes.wait import is_pod_hopeless, is_stuck

_SET: dict[str, Any] = {
    "kind": "StatefulSet",
    "metadata": {"generation": 2},
    "spec": {"replicas": 1},
    "status": {"observedGeneration": 2, "updateRevision": "new"},
}


def pod(revision: str, **metadata: Any) -> dict[str, Any]:
    return {"metadata": {"labels": {"controller-revision-hash": revision}, **metadata}}


def test_a_pod_of_the_old_template_that_never_got_ready_is_stuck() -> None:
    assert is_stuck(_SET, pod("old"))


@pytest.mark.parametrize(
    ("status", "one"),
    [
        pytest.param({}, pod("new"), id="it is of the new template"),
        pytest.param({"readyReplicas": 1}, pod("old"), id="it serves until it is replaced"),
        pytest.param({"observedGeneration": 1}, pod("old"), id="the cluster has not looked yet"),
        pytest.param({}, pod("old", deletionTimestamp="now"), id="it goes already"),
    ],
)
def test_all_others_are_left_alone(status: dict[str, Any], one: dict[str, Any]) -> None:
    assert not is_stuck({**_SET, "status": {**_SET["status"], **status}}, one)


def waiting(reason: str, restarts: int = 0, kind: str = "containerStatuses") -> dict[str, Any]:
    state = {"waiting": {"reason": reason}}
    return {"status": {kind: [{"state": state, "restartCount": restarts}]}}


def test_what_cannot_start_is_not_waited_for() -> None:
    assert is_pod_hopeless(waiting("ImagePullBackOff"))
    assert is_pod_hopeless(waiting("InvalidImageName"))
    assert is_pod_hopeless(waiting("CrashLoopBackOff", 3))
    assert is_pod_hopeless(waiting("CrashLoopBackOff", 3, "initContainerStatuses"))


def test_what_may_start_yet_is_waited_for() -> None:
    assert not is_pod_hopeless(waiting("ContainerCreating"))
    assert not is_pod_hopeless(waiting("CrashLoopBackOff", 1)), "its database may come"
    assert not is_pod_hopeless({})
