"""How a worker's objects are called and labelled in the engine, and back. Pure.

`platform` is the id of one installation: several may use one engine.
"""

from collections.abc import Mapping

from hai.core.task import WorkerKey
from hai.core.types import TaskId

PLATFORM = "hai.platform"
TASK, ATTEMPT, RANK = "hai.task", "hai.attempt", "hai.rank"


def worker_name(platform: str, key: WorkerKey) -> str:
    return f"{attempt_name(platform, key)}-{key.rank}"


def attempt_name(platform: str, key: WorkerKey) -> str:
    """Of the attempt's network."""
    return f"hai-{platform}-{key.task_id}-{key.attempt}"


def selector(platform: str) -> str:
    return f"{PLATFORM}={platform}"


def attempt_labels(platform: str, key: WorkerKey) -> dict[str, str]:
    return {PLATFORM: platform, TASK: str(key.task_id), ATTEMPT: str(key.attempt)}


def worker_labels(platform: str, key: WorkerKey, **more: str) -> dict[str, str]:
    """`more` becomes hai.<name>: for people who look with docker ps."""
    told = {f"hai.{name}": text for name, text in more.items()}
    return {**told, **attempt_labels(platform, key), RANK: str(key.rank)}


def key_of(labels: Mapping[str, str]) -> WorkerKey | None:
    """The worker whose object this is; rank 0 where there is none, as of a network. None if it is
    nobody's."""
    try:
        rank = int(labels.get(RANK, "0"))
        return WorkerKey(TaskId(int(labels[TASK])), int(labels[ATTEMPT]), rank)
    except (KeyError, ValueError):
        return None
