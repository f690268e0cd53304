"""Amounts as Kubernetes writes them: 2, 500m, 24581692Ki, 1.5Gi, 1e3."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

_SUFFIXES = {
    "n": 1e-9,
    "u": 1e-6,
    "m": 1e-3,
    "": 1.0,
    "k": 1e3,
    "M": 1e6,
    "G": 1e9,
    "T": 1e12,
    "P": 1e15,
    "E": 1e18,
    "Ki": 2.0**10,
    "Mi": 2.0**20,
    "Gi": 2.0**30,
    "Ti": 2.0**40,
    "Pi": 2.0**50,
    "Ei": 2.0**60,
}
_QUANTITY = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)([a-zA-Z]*)")
_ENDED = ("Succeeded", "Failed")

Pod = Mapping[str, Any]
Amounts = dict[str, float]  # by resource, in its base unit: cores, bytes, pieces


def quantity(text: object) -> float:
    """In the base unit. ValueError if it is none."""
    match = _QUANTITY.fullmatch(str(text).strip())
    if match is None or match[2] not in _SUFFIXES:
        raise ValueError(f"{text!r} is no quantity")
    return float(match[1]) * _SUFFIXES[match[2]]


def amounts(resources: Mapping[str, object] | None) -> Amounts:
    """Every amount of a list of resources; what is no quantity is left out."""
    found: Amounts = {}
    for name, text in (resources or {}).items():
        try:
            found[name] = quantity(text)
        except ValueError:
            continue
    return found


def requests_of(pod: Pod) -> Amounts:
    """What the scheduler counts for a pod: its containers together, or its largest init container,
    and the overhead of its runtime. Nothing once it has ended."""
    if (pod.get("status") or {}).get("phase") in _ENDED:
        return {}
    spec = pod.get("spec") or {}
    total = _sum(_requests(spec.get("containers")))
    for one in _requests(spec.get("initContainers")):
        for name, value in one.items():
            total[name] = max(total.get(name, 0.0), value)
    return _sum((total, amounts(spec.get("overhead"))))


def left_of(allocatable: Mapping[str, object], pods: Iterable[Pod]) -> Amounts:
    """What these pods leave of a node; never less than nothing."""
    left = amounts(allocatable)
    taken = _sum(requests_of(pod) for pod in pods)
    return {name: max(0.0, value - taken.get(name, 0.0)) for name, value in left.items()}


def _requests(containers: Sequence[Mapping[str, Any]] | None) -> list[Amounts]:
    return [amounts((one.get("resources") or {}).get("requests")) for one in containers or ()]


def _sum(parts: Iterable[Mapping[str, float]]) -> Amounts:
    total: Amounts = {}
    for part in parts:
        for name, value in part.items():
            total[name] = total.get(name, 0.0) + value
    return total
