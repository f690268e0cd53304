"""How a worker's objects are called and labelled in the cluster, and back. Pure."""

import re
from collections.abc import Mapping
from typing import Any

from hai.core.task import WorkerKey
from hai.core.types import TaskId

MANAGED = {"app.kubernetes.io/managed-by": "hai"}
SELECTOR = "app.kubernetes.io/managed-by=hai"
FOREIGN_SELECTOR = "app.kubernetes.io/managed-by!=hai"
TASK, ATTEMPT, RANK = "hai/task", "hai/attempt", "hai/rank"
NUDGE = "hai/nudge"  # annotation of a pod
CANCELLED = "hai/cancelled"  # on a Secret: this worker is never to start

_NOT_IN_LABELS = re.compile(r"[^A-Za-z0-9_.-]+")


def worker_name(key: WorkerKey) -> str:
    """Of the pod and of its Secret."""
    return f"hai-{key.task_id}-{key.attempt}-{key.rank}"


def attempt_name(key: WorkerKey) -> str:
    """Of the headless Service."""
    return f"hai-{key.task_id}-{key.attempt}"


def attempt_labels(key: WorkerKey) -> dict[str, str]:
    """What the pods of one attempt have in common."""
    return {**MANAGED, TASK: str(key.task_id), ATTEMPT: str(key.attempt)}


def worker_labels(key: WorkerKey, **more: str) -> dict[str, str]:
    """`more` becomes hai/<name>: for people who look with kubectl."""
    told = {f"hai/{name.replace('_', '-')}": label_value(text) for name, text in more.items()}
    return {**attempt_labels(key), RANK: str(key.rank), **told}


def key_of(item: Mapping[str, Any]) -> WorkerKey | None:
    """The worker whose object this is; None if it is nobody's."""
    labels = item["metadata"].get("labels") or {}
    try:
        return WorkerKey(TaskId(int(labels[TASK])), int(labels[ATTEMPT]), int(labels[RANK]))
    except (KeyError, ValueError):
        return None


def label_value(text: str) -> str:
    """The text as far as a label can hold it."""
    return _NOT_IN_LABELS.sub("-", text)[:63].strip("-_.")
