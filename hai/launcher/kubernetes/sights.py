"""What a pod's object says about its worker, in plain words. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hai.core.task import WorkerKey
from hai.kubernetes.manifests import PREPARE, WORKER
from hai.kubernetes.quantities import quantity
from hai.launcher.containers import NO_IMAGE, reported
from hai.ports import Observation, WorkerPhase

Json = Mapping[str, Any]

CANNOT_START = 126
_KILLED = 137
_LONGEST = 400  # characters of what the cluster says

# Why a kubelet ended or refused a pod that did nothing wrong.
_CLUSTER_REASONS = {
    "Evicted": "was evicted from",
    "Preempting": "was preempted on",
    "Preempted": "was preempted on",
    "Shutdown": "was ended by the shutdown of",
    "NodeShutdown": "was ended by the shutdown of",
    "Terminated": "was ended by the shutdown of",
    "NodeLost": "was lost with",
    "NodeAffinity": "was refused by",
    "UnexpectedAdmissionError": "was refused by",
    "DeadlineExceeded": "ran longer than allowed on",
}
# How a kubelet says that a pod filled what it was given of the disk, and not the disk itself.
_OWN_DISK = (
    "ephemeral local storage usage exceeds the total limit",
    "exceeded its local ephemeral storage limit",
    "exceeds the limit",  # of a volume of its own
)
_NEVER_PULLED = ("InvalidImageName", "ErrImageNeverPull")
_PULLS = ("ErrImagePull", "ImagePullBackOff", "ImageInspectError", "RegistryUnavailable")
_BAD_COMMANDS = ("StartError", "ContainerCannotRun", "RunContainerError", "CreateContainerError")


@dataclass(frozen=True, slots=True)
class PodFinding:
    """`hopeless`: it waits for something that will not come by itself, such as an image that does
    not exist; give up if that does not change. `usual`: it waits as every pod does, for a moment.
    """

    observation: Observation
    hopeless: str = ""
    usual: bool = False


def sight(key: WorkerKey, pod: Json) -> PodFinding:
    """What the pod says, whatever its node does."""
    status = pod.get("status") or {}
    if is_over(pod):
        return PodFinding(_ended(key, pod, status))
    wait = _waits_for(pod, status)
    phase = WorkerPhase.PENDING if wait.why else WorkerPhase.ALIVE
    hopeless = wait.why if wait.is_hopeless else ""
    return PodFinding(Observation(key, phase, detail=wait.why), hopeless, usual=wait.is_usual)


def is_over(pod: Json) -> bool:
    """Whether nothing of it runs any more, by its node's word."""
    status = pod.get("status") or {}
    state = _state(status, WORKER)
    # a cluster that clears up after a node says "Failed" without asking it
    is_told = status.get("phase") in ("Succeeded", "Failed") and "running" not in state
    return is_told or "terminated" in state


def has_begun(pod: Json) -> bool:
    """Whether its program's container has started, by its node's word."""
    state = _state(pod.get("status") or {}, WORKER)
    return bool(state) and "waiting" not in state


def node_of(pod: Json) -> str:
    return str((pod.get("spec") or {}).get("nodeName") or "")


def departure(pod: Json) -> str:
    """Why the cluster asks a running pod to leave; empty: it does not. Our own deletions count as
    well: their task leaves already."""
    metadata = pod["metadata"]
    if not metadata.get("deletionTimestamp") or is_over(pod):
        return ""
    for condition in (pod.get("status") or {}).get("conditions") or ():
        if condition.get("type") == "DisruptionTarget" and condition.get("status") == "True":
            return f"the cluster asked its pod to leave: {_short(condition.get('message') or '')}"
    return f"the cluster asked its pod {metadata['name']} to leave"


def _unprepared(key: WorkerKey, root_step: Json) -> Observation:
    """The root step says why it gave up. One that was ended from outside (a runtime that died, a
    node that was cleared) says nothing: that is no fault of the task, which is put off."""
    told = _short(root_step.get("message") or "")
    if told and root_step["exitCode"] == 1:
        detail = f"cannot start: its folders could not be prepared: {told}"
        return Observation(key, WorkerPhase.EXITED, CANNOT_START, detail)
    how = told or f"status {root_step['exitCode']}"
    return Observation(key, WorkerPhase.LOST, detail=f"not started: its first step ended: {how}")


def _ended(key: WorkerKey, pod: Json, status: Json) -> Observation:
    end = _state(status, WORKER).get("terminated") or {}
    word = reported(key, end.get("message"))
    filled = _own_disk(status)
    if filled and (word is None or word.phase is WorkerPhase.LOST):
        return Observation(key, WorkerPhase.EXITED, _KILLED, f"out of disk: {filled}")
    if word is not None:
        return word
    infrastructure = _cluster_reason(pod, status)
    if infrastructure:
        return Observation(key, WorkerPhase.NODE_LOST, detail=infrastructure)
    root_step = _state(status, PREPARE).get("terminated") or {}
    if root_step.get("exitCode"):
        return _unprepared(key, root_step)
    if end.get("reason") in _BAD_COMMANDS:
        detail = f"cannot start: {_short(end.get('message') or end['reason'])}"
        return Observation(key, WorkerPhase.EXITED, CANNOT_START, detail)
    if end.get("reason") == "OOMKilled":
        return Observation(key, WorkerPhase.EXITED, _KILLED, f"out of memory{_limit(pod)}")
    if not end:
        told = _short(status.get("message") or status.get("reason") or "it says no more")
        return Observation(key, WorkerPhase.LOST, detail=f"its pod failed: {told}")
    detail = f"its agent ended with status {end.get('exitCode')} and left no report"
    return Observation(key, WorkerPhase.LOST, detail=detail)


def _own_disk(status: Json) -> str:
    """Why the pod was evicted, if it wrote more than it may: the task's fault, and elsewhere it
    would do the same."""
    told = str(status.get("message") or "")
    is_full = status.get("reason") == "Evicted" and any(words in told for words in _OWN_DISK)
    return _short(told) if is_full else ""


def _cluster_reason(pod: Json, status: Json) -> str:
    reason = str(status.get("reason") or "")
    verb = _CLUSTER_REASONS.get(reason)
    if verb is None and reason.startswith("OutOf"):
        verb = "was refused by"
    if verb is None:
        return ""
    told = _short(status.get("message") or reason)
    return f"its pod {verb} {node_of(pod) or 'its node'}: {told}"


def _limit(pod: Json) -> str:
    for container in (pod.get("spec") or {}).get("containers") or ():
        text = ((container.get("resources") or {}).get("limits") or {}).get("memory")
        if container.get("name") == WORKER and text:
            return f": its limit is {quantity(text) / 2**30:.1f} GiB"
    return ""


@dataclass(frozen=True, slots=True)
class _Wait:
    why: str = ""
    is_hopeless: bool = False
    is_usual: bool = False


def _waits_for(pod: Json, status: Json) -> _Wait:
    """What a pod that is not there yet waits for."""
    for condition in status.get("conditions") or ():
        if condition.get("type") == "PodScheduled" and condition.get("status") == "False":
            return _Wait(f"its pod cannot be placed: {_short(condition.get('message') or '')}")
    for name in (PREPARE, WORKER):
        waiting = _state(status, name).get("waiting")
        if waiting is not None:
            return _container_waits(pod, name, waiting)
    if status.get("phase") == "Pending" and not status.get("containerStatuses"):
        return _Wait(f"{node_of(pod) or 'its node'} has not taken its pod yet", is_usual=True)
    return _Wait()


def _container_waits(pod: Json, name: str, waiting: Json) -> _Wait:
    reason, message = str(waiting.get("reason") or ""), str(waiting.get("message") or "")
    image = _image(pod, name)
    if reason in _NEVER_PULLED:
        why = f"image {image} cannot be used: {_short(message or reason)}"
        return _Wait(why, is_hopeless=True)
    if reason in _PULLS:
        is_hopeless = any(word in message.lower() for word in NO_IMAGE)
        return _Wait(f"image {image} cannot be pulled: {_short(message or reason)}", is_hopeless)
    if reason in _BAD_COMMANDS or reason == "CreateContainerConfigError":
        return _Wait(_short(message or reason), is_hopeless=True)
    if reason in ("PodInitializing", "ContainerCreating", ""):
        why = f"its node makes the container ready, with image {image}"
        return _Wait(why, is_usual=True)
    return _Wait(_short(f"{reason}: {message}" if message else reason))


def _image(pod: Json, name: str) -> str:
    spec = pod.get("spec") or {}
    for container in (*(spec.get("initContainers") or ()), *(spec.get("containers") or ())):
        if container.get("name") == name:
            return str(container.get("image"))
    return ""


def _state(status: Json, container: str) -> Json:
    kind = "initContainerStatuses" if container == PREPARE else "containerStatuses"
    for one in status.get(kind) or ():
        if one.get("name") == container:
            state: Json = one.get("state") or {}
            return state
    return {}


def _short(text: str) -> str:
    words = " ".join(str(text).split())
    return words if len(words) <= _LONGEST else words[: _LONGEST - 1] + "…"
