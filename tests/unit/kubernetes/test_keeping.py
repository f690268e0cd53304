"""What is kept of an object, and that decoding leaves the collector as it was."""

import gc
from typing import Any

import pytest

from hai.kubernetes.keeping import brief_node, brief_pod, decoded, keep_for, without_bookkeeping
from scripts.benchmarks.recorded_api import node, pod


@pytest.mark.parametrize(
    ("path", "keep"),
    [
        ("/api/v1/pods", brief_pod),
        ("/api/v1/namespaces/a/pods", brief_pod),
        ("/api/v1/nodes", brief_node),
        ("/api/v1/namespaces/a/pods/p/log", without_bookkeeping),
        ("/apis/metrics.k8s.io/v1/nodes", without_bookkeeping),
        ("/api/v1/secrets", without_bookkeeping),
    ],
)
def test_pods_and_nodes_are_brief(path: str, keep: object) -> None:
    assert keep_for(path) is keep


def test_of_a_pod_identity_resources_and_status_stay() -> None:
    whole = pod(7, 8, "Running")
    kept = brief_pod(pod(7, 8, "Running"))
    assert kept["status"] == whole["status"]
    assert kept["spec"]["nodeName"] == "node-7"
    for kind in ("containers", "initContainers"):
        resources = whole["spec"][kind][0]["resources"]
        assert kept["spec"][kind][0]["resources"] == resources
        assert "env" not in kept["spec"][kind][0]
    del whole["metadata"]["managedFields"]
    assert kept["metadata"] == whole["metadata"]


def test_of_a_node_all_but_images_stays() -> None:
    kept, whole = brief_node(node(1, 2)), node(1, 2)
    del whole["metadata"]["managedFields"], whole["status"]["images"]
    assert kept == whole


@pytest.mark.parametrize(
    "item",
    [
        {},
        {"metadata": None, "spec": None, "status": None},
        {"metadata": {"annotations": None}, "spec": {"containers": None}},
        {"metadata": [], "spec": [], "status": "x"},
        {"metadata": {}, "spec": {"containers": [None, 1, []]}},
    ],
)
def test_odd_objects_are_taken(item: dict[str, Any]) -> None:
    for brief in (brief_pod, brief_node):
        kept = brief(item)
        assert brief(kept) == kept  # as it came, or with nothing left to leave out


def test_an_applied_configuration_is_dropped_and_other_notes_stay() -> None:
    notes = {"kubectl.kubernetes.io/last-applied-configuration": "{}", "hai/user": "u"}
    kept = without_bookkeeping({"metadata": {"annotations": notes, "managedFields": []}})
    assert kept == {"metadata": {"annotations": {"hai/user": "u"}}}


@pytest.mark.parametrize("is_enabled", [True, False])
def test_decoding_leaves_the_collector_as_it_was(is_enabled: bool) -> None:
    before = gc.isenabled()
    try:
        (gc.enable if is_enabled else gc.disable)()
        assert decoded(b"[1]") == [1]
        with pytest.raises(ValueError, match="Expecting"):
            decoded(b"nothing")
        assert gc.isenabled() is is_enabled
    finally:
        (gc.enable if before else gc.disable)()
