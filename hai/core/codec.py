"""The scheduler's inputs and plans as JSON data and back, without losing a bit of any number."""

from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields
from typing import Any, TypeVar

from hai.core.container_quota import ContainerLimits, ContainerQuota
from hai.core.inputs import Delta, Snapshot
from hai.core.node import Node, NodeHealth
from hai.core.plan import Claim, Plan, Start
from hai.core.policy import Policy
from hai.core.quota import Quota
from hai.core.reasons.codec import encode_reason
from hai.core.resources import Resources
from hai.core.types import Priority, TaskState

Data = dict[str, Any]
T = TypeVar("T", Claim, Node)


def encode_snapshot(snapshot: Snapshot) -> Data:
    return {
        "now": snapshot.now,
        "policy": encode_policy(snapshot.policy),
        "nodes": [_encode(node) for node in snapshot.nodes],
        "quotas": [_quota(quota) for quota in snapshot.quotas],
        "claims": [_encode(claim) for claim in snapshot.claims],
        "usage": [[*whose, *used] for whose, used in sorted(snapshot.usage.items())],
        "containers": [_containers(one) for one in snapshot.containers],
    }


def decode_snapshot(data: Mapping[str, Any]) -> Snapshot:
    return Snapshot(
        now=data["now"],
        policy=decode_policy(data["policy"]),
        nodes=tuple(_decode(Node, node, _NODE) for node in data["nodes"]),
        quotas=tuple(_decode_quota(quota) for quota in data["quotas"]),
        claims=tuple(_decode(Claim, claim, _CLAIM) for claim in data["claims"]),
        usage={(group, user): (used, last) for group, user, used, last in data["usage"]},
        containers=tuple(_decode_containers(one) for one in data.get("containers", ())),
    )


def encode_delta(delta: Delta) -> Data:
    data: Data = {"now": delta.now}
    if delta.claims:
        data["claims"] = [_encode(claim) for claim in delta.claims]
    if delta.ended:
        data["ended"] = [list(end) for end in delta.ended]
    if delta.nodes is not None:
        data["nodes"] = [_encode(node) for node in delta.nodes]
    if delta.quotas is not None:
        data["quotas"] = [_quota(quota) for quota in delta.quotas]
    if delta.containers is not None:
        data["containers"] = [_containers(one) for one in delta.containers]
    return data


def decode_delta(data: Mapping[str, Any]) -> Delta:
    nodes, quotas, containers = (data.get(key) for key in ("nodes", "quotas", "containers"))
    return Delta(
        now=data["now"],
        claims=tuple(_decode(Claim, claim, _CLAIM) for claim in data.get("claims", ())),
        ended=tuple((task_id, at) for task_id, at in data.get("ended", ())),
        nodes=None if nodes is None else tuple(_decode(Node, node, _NODE) for node in nodes),
        quotas=None if quotas is None else tuple(_decode_quota(quota) for quota in quotas),
        containers=None if containers is None else tuple(map(_decode_containers, containers)),
    )


def encode_plan(plan: Plan) -> Data:
    """Decisions and the reasons that were told with them."""
    return {
        "starts": [_start(start) for start in plan.starts],
        "suspends": [[suspend.task_id, suspend.for_task] for suspend in plan.suspends],
        "demotions": [[demotion.task_id, int(demotion.priority)] for demotion in plan.demotions],
        "handovers": [_start(start) for start in plan.handovers],
        "reasons": {
            str(task_id): encode_reason(reason) for task_id, reason in sorted(plan.reasons.items())
        },
    }


def encode_policy(policy: Policy) -> Data:
    data: Data = {field.name: getattr(policy, field.name) for field in fields(policy)}
    data["slices"] = {level.name: seconds for level, seconds in policy.slices.items()}
    data["weights"] = dict(policy.weights)
    return data


def decode_policy(data: Mapping[str, Any]) -> Policy:
    """Of this or another version: knobs that are not known here are left out."""
    known = {field.name for field in fields(Policy)}
    values = {name: value for name, value in data.items() if name in known}
    values["slices"] = {Priority[name]: value for name, value in data["slices"].items()}
    return Policy(**values)


def _start(start: Start) -> list[Any]:
    data = [start.task_id, list(start.nodes), int(start.priority), start.backfill]
    return [*data, [list(one) for one in start.gpu_indices]] if start.gpu_indices else data


def _quota(quota: Quota) -> list[Any]:
    return [quota.user, quota.group, int(quota.priority), quota.nodes]


def _decode_quota(data: list[Any]) -> Quota:
    user, group, priority, nodes = data
    return Quota(user, group, Priority(priority), nodes)


def _containers(quota: ContainerQuota) -> list[Any]:
    return [quota.user, quota.group, *quota.limits]


def _decode_containers(data: list[Any]) -> ContainerQuota:
    user, group, *limits = data
    return ContainerQuota(user, group, ContainerLimits(*limits))


def _encode(value: Claim | Node) -> Data:
    """Only what differs from the defaults."""
    data: Data = {}
    for field in fields(value):
        given = getattr(value, field.name)
        if field.default is MISSING or given != field.default:
            data[field.name] = list(given) if isinstance(given, tuple) else given
    return data


def _decode(kind: type[T], data: Mapping[str, Any], parsers: Mapping[str, Callable[..., Any]]) -> T:
    known = {field.name for field in fields(kind)}
    values = {
        name: parsers[name](value) if name in parsers and value is not None else value
        for name, value in data.items()
        if name in known
    }
    return kind(**values)


_CLAIM: Mapping[str, Callable[..., Any]] = {
    "priority": Priority,
    "charged": Priority,
    "state": TaskState,
    "holds": tuple,
    "knows": tuple,
    "waits_for": tuple,
    "asks": lambda amounts: Resources(*amounts),
    "gpu_indices": lambda ranks: tuple(tuple(one) for one in ranks),
}
_NODE: Mapping[str, Callable[..., Any]] = {"health": NodeHealth}
