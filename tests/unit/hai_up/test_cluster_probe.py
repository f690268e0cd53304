"""What reports of nodes mean: a fault and its fix, each."""

from typing import Any

import pytest

from hai_up.checks import FAIL, OK, WARN, Check
from hai_up.cluster.options import cluster_options
from hai_up.cluster.probe import Seen, is_network, is_settled, judged, probe_pods, seen_of

VALUES = {
    "MANAGER_NODES": "m",
    "TRAINING_NODES": "a b",
    "BASE_IMAGE": "r.example/hai:1",
    "TRAIN_IMAGE": "r.example/train:1",
    "SHARED_FS_ROOT": "/nfs",
    "DB_PATH": "/var/lib/hai",
}
OPTIONS = cluster_options(VALUES)
NODES = ("m", "a", "b")


def report(*sees: str, **more: Any) -> Seen:
    return Seen({}, {"sees": list(sees), "share": "nfs4", "database": "ext4", "ahead": 0.0, **more})


def checks(**changes: Seen) -> dict[str, Check]:
    found = {node: report(*NODES) for node in NODES} | changes
    return {check.name: check for check in judged(OPTIONS, found)}


def test_all_is_well() -> None:
    assert {check.status for check in checks().values()} == {OK}
    assert [check.id for check in checks().values()] == [
        "nodes.image",
        "storage.share",
        "nodes.clock",
        "storage.database",
    ]


@pytest.mark.parametrize(
    ("name", "node", "seen", "words"),
    [
        ("share", "b", report("b"), "b is not the one of the other nodes"),
        ("share", "a", report(error="cannot write there: No space left"), "No space left"),
        ("share", "a", Seen(why="FailedMount: /nfs is not a directory"), "a has no /nfs"),
        ("image", "b", Seen({"r.example/train:1": "ErrImagePull"}), "b cannot get r.example/train"),
        ("clock", "a", report(*NODES, ahead=-70.2), "a by -70 s"),
        ("clock", "a", report(*NODES, ahead=None), "not known of a"),
        ("database", "m", report(*NODES, database="nfs4"), "network file system (nfs4)"),
    ],
)
def test_each_fault_is_named_with_its_fix(name: str, node: str, seen: Seen, words: str) -> None:
    check = checks(**{node: seen})[name]
    assert check.status in (WARN, FAIL)
    assert words in check.text
    assert check.fix


def test_root_squash_has_a_fix_of_its_own() -> None:
    squashed = report(error="cannot change owners there: Operation not permitted", step="owner")
    assert "no_root_squash" in checks(a=squashed)["share"].fix


def test_the_larger_part_is_right() -> None:
    """Two nodes share one file system, the manager has another one."""
    found = checks(m=report("m"), a=report("a", "b"), b=report("a", "b"))
    assert "on m is not the one" in found["share"].text


def test_when_waiting_longer_tells_nothing() -> None:
    whole = {node: report(*NODES) for node in NODES}
    assert is_settled(whole)
    assert not is_settled({**whole, "a": report("a")}), "it may see the others in a moment"
    assert not is_settled({**whole, "a": Seen()}), "its pod may start"
    assert is_settled({"a": report("a"), "b": Seen(why="FailedMount: no")})
    assert is_settled({"a": report("a"), "b": Seen({"i": "ErrImagePull"})})
    assert is_settled({"a": report(error="cannot write there: read-only")})


def test_what_a_pod_says() -> None:
    waiting = {"reason": "ImagePullBackOff", "message": "no such host"}
    status = {"containerStatuses": [{"image": "i:1", "state": {"waiting": waiting}}]}
    assert seen_of({"status": status}, [], "").images == {"i:1": "ImagePullBackOff no such host"}
    assert seen_of({}, ["FailedMount: nothing there", "Other: x"], "").why.startswith("FailedMount")
    log = 'Traceback of a bad day\n{"sees": []}\n'
    assert seen_of({}, ["Other: x"], log) == Seen({}, {"sees": []}, "")


def test_each_pod_looks_at_what_its_node_needs() -> None:
    pods = probe_pods(OPTIONS, "space", "abcd")
    assert list(pods) == ["m", "a", "b"]
    images = {
        node: [one["image"] for one in pod["spec"]["containers"]] for node, pod in pods.items()
    }
    assert images["m"] == ["r.example/hai:1"]
    assert images["a"] == images["b"] == ["r.example/hai:1", "r.example/train:1"]
    volumes = [one["name"] for one in pods["m"]["spec"]["volumes"]]
    assert volumes == ["share", "database"], "the manager's disk is looked at, read-only"
    mount = pods["m"]["spec"]["containers"][0]["volumeMounts"][1]
    assert mount["readOnly"] is True
    assert len(pods["a"]["spec"]["volumes"]) == 1
    for node, pod in pods.items():
        assert pod["spec"]["nodeName"] == node
        assert pod["spec"]["activeDeadlineSeconds"] < 200


def test_network_file_systems() -> None:
    assert all(is_network(kind) for kind in ("nfs", "nfs4", "ceph", "fuse.ceph", "wekafs", "cifs"))
    assert not any(is_network(kind) for kind in ("ext4", "xfs", "btrfs", "overlay", "tmpfs", ""))
