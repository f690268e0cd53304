"""How a container's end reads, in plain words. Pure."""

from collections.abc import Mapping
from typing import Any

from hai.core.lifecycle.losses import NOT_STARTED
from hai.core.task import WorkerKey
from hai.ports import Observation, WorkerPhase

_KILLED = 137


def unreported(
    key: WorkerKey, inspected: Mapping[str, Any], *, is_cut_off: bool = False
) -> Observation:
    """Of a container that ended without the agent's word. `is_cut_off`: while the engine was
    away."""
    state = inspected.get("State") or {}
    code = state.get("ExitCode")
    if state.get("Status") == "removing":
        name = str(inspected.get("Name", "")).lstrip("/")
        return Observation(key, WorkerPhase.NODE_LOST, detail=removed(name))
    if is_cut_off:
        detail = f"the Docker engine was restarted, and its container ended (status {code})"
        return Observation(key, WorkerPhase.NODE_LOST, detail=detail)
    if state.get("OOMKilled"):
        limit = float((inspected.get("HostConfig") or {}).get("Memory") or 0)
        words = f": its limit is {limit / 2**30:.1f} GiB" if limit else ""
        return Observation(key, WorkerPhase.EXITED, _KILLED, f"out of memory{words}")
    told = " ".join(str(state.get("Error") or "").split())[:400]
    if told:
        return Observation(key, WorkerPhase.LOST, detail=f"{NOT_STARTED}: {told}")
    detail = f"its agent ended with status {code} and left no report"
    return Observation(key, WorkerPhase.LOST, detail=detail)


def removed(name: str) -> str:
    return f"somebody removed its container {name}"
