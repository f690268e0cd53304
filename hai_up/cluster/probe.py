"""A look from inside: one pod on each node, and what their reports mean. Pure.

Each pod writes a file on the shared file system, and says once a second whose files it sees there.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hai_up.checks import FAIL, OK, WARN, Check
from hai_up.cluster.options import ClusterOptions
from hai_up.cluster.plan import LABELS, SMALL
from hai_up.first_rows import UID
from hai_up.render import read_template

Json = dict[str, Any]

PART = {**LABELS, "hai/part": "hai-doctor"}
POD_SECONDS = 150  # the cluster ends what hai-up could not remove
CLOCK_SECONDS = 2.0  # the API server tells its time in whole seconds
_SHARE, _DATABASE = "/hai/share", "/hai/database"
_NETWORK = (
    "nfs",
    "ceph",
    "cifs",
    "smb",
    "gluster",
    "weka",
    "lustre",
    "beegfs",
    "gpfs",
    "9p",
    "fuse.",
)
IMAGE_REASONS = (
    "ErrImagePull",
    "ImagePullBackOff",
    "InvalidImageName",
    "ErrImageNeverPull",
    "RegistryUnavailable",
    "ImageInspectError",
)


@dataclass(frozen=True, slots=True)
class Seen:
    """What is known of one node. `images`: what its pods say about images that are missing, by
    image; `report`: the pod's last one, None while it has none; `why`: what keeps it from one."""

    images: Mapping[str, str] = field(default_factory=dict)
    report: Json | None = None
    why: str = ""


def probe_pods(options: ClusterOptions, namespace: str, nonce: str) -> dict[str, Json]:
    """By node. `nonce` names the folder on the share that all of them use."""
    nodes = dict.fromkeys((*options.manager_nodes, *options.group_of))
    return {node: _pod(options, namespace, nonce, node, at) for at, node in enumerate(nodes)}


def _pod(options: ClusterOptions, namespace: str, nonce: str, node: str, at: int) -> Json:
    volumes = [_volume("share", options.shared_fs_root, "Directory")]
    mounts: list[Json] = [{"name": "share", "mountPath": _SHARE}]
    database = ""
    if node in options.manager_nodes and options.is_db_on_own_disk:
        top = "/" + options.db_path.split("/")[1]  # the folder itself is made by run
        volumes.append(_volume("database", top, ""))
        mounts.append({"name": "database", "mountPath": _DATABASE, "readOnly": True})
        database = _DATABASE + options.db_path.removeprefix(top)
    code = read_template("k8s/doctor.py")
    words = ["python3", "-c", code, _SHARE, f".hai-doctor-{nonce}", node, str(UID), database]
    containers = [_container("probe", options.base_image, words, mounts)]
    if node in options.group_of and options.train_image != options.base_image:
        containers.append(_container("train", options.train_image, ["true"], []))
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": f"hai-doctor-{nonce}-{at}",
            "namespace": namespace,
            "labels": {**PART, "hai/nonce": nonce},
        },
        "spec": {
            "nodeName": node,
            "restartPolicy": "Never",
            "activeDeadlineSeconds": POD_SECONDS,
            "terminationGracePeriodSeconds": 2,
            "automountServiceAccountToken": False,
            "securityContext": {"seccompProfile": {"type": "RuntimeDefault"}},
            "imagePullSecrets": [{"name": name} for name in options.pull_secrets],
            "tolerations": [{"operator": "Exists"}],
            "containers": containers,
            "volumes": volumes,
        },
    }


def _volume(name: str, path: str, kind: str) -> Json:
    return {"name": name, "hostPath": {"path": path, "type": kind}}


def _container(name: str, image: str, command: list[str], mounts: list[Json]) -> Json:
    """With mounts it is root with the few rights that `run` needs there, to make folders."""
    as_whom: Json = {"runAsUser": UID, "runAsNonRoot": True, "capabilities": {"drop": ["ALL"]}}
    if mounts:
        rights = {"drop": ["ALL"], "add": ["CHOWN", "DAC_OVERRIDE", "FOWNER"]}
        as_whom = {"runAsUser": 0, "capabilities": rights}
    return {
        "name": name,
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "command": command,
        "resources": SMALL,
        "volumeMounts": mounts,
        "securityContext": {
            **as_whom,
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
        },
    }


def seen_of(pod: Json, events: Sequence[str], log: str) -> Seen:
    """`events`: its warnings, in the cluster's words."""
    statuses = (pod.get("status") or {}).get("containerStatuses") or ()
    images = {}
    for one in statuses:
        waiting = (one.get("state") or {}).get("waiting") or {}
        if waiting.get("reason") in IMAGE_REASONS:
            said = f"{waiting['reason']} {waiting.get('message') or ''}".strip()
            images[str(one["image"])] = said
    lines = [line for line in log.splitlines() if line.startswith("{")]
    report = json.loads(lines[-1]) if lines else None
    mounts = [text for text in events if text.startswith("FailedMount")]
    why = mounts[-1] if mounts else events[-1] if events else ""
    return Seen(images, report, "" if report else why)


def is_known(found: Mapping[str, Seen]) -> bool:
    """Does every node's pod speak, or is it known why it does not?"""
    return all(
        seen.report or seen.images or seen.why.startswith("FailedMount") for seen in found.values()
    )


def is_settled(found: Mapping[str, Seen]) -> bool:
    """Would waiting longer tell nothing more?"""
    speaking = {node: seen.report for node, seen in found.items() if seen.report}
    return is_known(found) and all(
        report.get("error") or speaking.keys() <= set(report["sees"])
        for report in speaking.values()
    )


def judged(options: ClusterOptions, found: Mapping[str, Seen]) -> list[Check]:
    """image, share, clock, and what the database's folder is on."""
    return [_images(found), _share(options, found), _clock(found), database(options, found)]


def _images(found: Mapping[str, Seen]) -> Check:
    for image in dict.fromkeys(name for seen in found.values() for name in seen.images):
        nodes = [node for node, seen in found.items() if image in seen.images]
        said = found[nodes[0]].images[image]
        return _check(
            "image",
            FAIL,
            f"{', '.join(nodes)} cannot get {image}: {said[:200]}",
            "correct BASE_IMAGE or TRAIN_IMAGE; push it to a registry that the nodes reach "
            "(IMAGE_PULL_SECRETS for one with a login), or import it on each node: docs/deploy.md",
        )
    silent = [node for node, seen in found.items() if not seen.report]
    if silent:
        why = next((found[node].why for node in silent if found[node].why), "no pod started")
        return _check(
            "image",
            WARN,
            f"not known of {', '.join(silent)}: {why[:200]}",
            f"kubectl describe node {silent[0]}",
        )
    return _check("image", OK, f"on all {len(found)} nodes")


def _share(options: ClusterOptions, found: Mapping[str, Seen]) -> Check:
    root = options.shared_fs_root
    reports = {node: seen.report for node, seen in found.items() if seen.report}
    for node, seen in found.items():
        if not seen.report and seen.why.startswith("FailedMount"):
            return _check(
                "share",
                FAIL,
                f"{node} has no {root}: {seen.why[:200]}",
                f"mount the shared file system there at {root}, or correct SHARED_FS_ROOT",
            )
    for node, report in reports.items():
        if report.get("error"):
            return _check("share", FAIL, f"{root} on {node}: {report['error']}", _mend(report))
    strange = _strangers(reports)
    if strange:
        return _check(
            "share",
            FAIL,
            f"{root} on {', '.join(strange)} is not the one of the other nodes: files of one are "
            "not seen by the other",
            f"on {strange[0]}: findmnt -T {root}; mount the shared file system there",
        )
    if not reports:
        return _check("share", WARN, "not known: no pod could look", "mend what is above first")
    missing = len(found) - len(reports)
    what = f"the same and writable on {len(reports)} nodes ({_kinds(reports)})"
    if missing:
        return _check("share", WARN, f"{what}; {missing} could not look", "mend the others first")
    return _check("share", OK, f"{root} is {what}")


def _mend(report: Json) -> str:
    if report.get("step") == "owner":
        return "root of a node must be able to change owners there: no_root_squash in /etc/exports"
    return "mount it writable for root of the nodes (rw, no_root_squash)"


def _kinds(reports: Mapping[str, Json]) -> str:
    return ", ".join(sorted({str(report["share"]) for report in reports.values()}))


def _strangers(reports: Mapping[str, Json]) -> list[str]:
    """Nodes outside of the largest set that see the same (of two alike: the one with the first
    manager, which is the first of the reports); [] where all of them see all."""
    views = {node: frozenset(report["sees"]) & reports.keys() for node, report in reports.items()}
    if all(view == reports.keys() for view in views.values()):
        return []
    first = next(iter(reports))
    most = max(views.values(), key=lambda view: (len(view), first in view))
    return [node for node in reports if node not in most] or sorted(
        node for node, view in views.items() if view != most
    )


def _clock(found: Mapping[str, Seen]) -> Check:
    ahead = {
        node: float(seen.report["ahead"])
        for node, seen in found.items()
        if seen.report and seen.report.get("ahead") is not None
    }
    far = {node: seconds for node, seconds in ahead.items() if abs(seconds) > CLOCK_SECONDS}
    if far:
        told = ", ".join(f"{node} by {seconds:+.0f} s" for node, seconds in far.items())
        fix = f"on {next(iter(far))}: timedatectl set-ntp true"
        return _check("clock", WARN, f"clocks differ from the API server's: {told}", fix)
    if len(ahead) < len(found):
        silent = [node for node in found if node not in ahead]
        text = f"not known of {', '.join(silent)}: no answer of the API server inside a pod"
        fix = "look at kube-proxy and the network plugin there"
        return _check("clock", WARN, text, fix)
    return _check("clock", OK, f"within {CLOCK_SECONDS:.0f} s of the API server's on all nodes")


def database(options: ClusterOptions, found: Mapping[str, Seen]) -> Check:
    """DB_PATH; without reports by its name alone."""
    if options.storage_class:
        return _check("database", OK, f"claims of storage class {options.storage_class}")
    fix = f"a folder on the disk of {options.manager_nodes[0]}, or DB_STORAGE_CLASS"
    if not options.is_db_on_own_disk:
        text = f"DB_PATH {options.db_path} is on the shared file system"
        return _check("database", WARN, text, fix)
    for node in options.manager_nodes:
        report = found[node].report if node in found else None
        kind = str(report.get("database")) if report else ""
        if is_network(kind):
            text = f"DB_PATH {options.db_path} on {node} is on a network file system ({kind})"
            return _check("database", WARN, text, fix)
    if len(options.manager_nodes) > 1:
        count = len(options.manager_nodes)
        text = f"DB_PATH {options.db_path} is another folder on each of {count} manager nodes"
        return _check("database", WARN, text, "one node in MANAGER_NODES, or DB_STORAGE_CLASS")
    return _check("database", OK, options.db_path)


def is_network(kind: str) -> bool:
    """Of a file system, as /proc/mounts names it."""
    return kind.startswith(_NETWORK)


_GROUPS = {"image": "nodes", "clock": "nodes", "share": "storage", "database": "storage"}


def _check(name: str, status: str, text: str, fix: str = "") -> Check:
    return Check(name, status, text, fix, _GROUPS[name])
