"""Waiting with progress: which service is slow, and what it says."""

import time
from collections.abc import Callable, Iterable
from typing import Any

from hai.errors import PlatformError
from hai_up.compose.options import ComposeOptions
from hai_up.providers.compose.engine import ComposeEngine, last_words
from hai_up.providers.compose.place import containers_of

Json = dict[str, Any]
Say = Callable[[str], None]

READY_SECONDS = 300.0
QUIET_SECONDS = 5.0  # before a slow service is named
READY = "ready"
_MOST_RESTARTS = 5
_STEP_SECONDS = 0.5
_LINES = 8


def wait_ready(
    engine: ComposeEngine, options: ComposeOptions, services: Iterable[str], say: Say
) -> dict[str, Json]:
    """Their containers. PlatformError tells why one of them is not ready."""
    started, told = time.monotonic(), ""
    wanted = tuple(services)
    while True:
        containers = containers_of(options, engine)
        states = {name: state_of(containers.get(name)) for name in wanted}
        slow = {name: state for name, state in states.items() if state != READY}
        if not slow:
            return containers
        name, state = next(iter(slow.items()))
        seconds = time.monotonic() - started
        if seconds > READY_SECONDS or _is_hopeless(containers.get(name)):
            raise _failure(engine, containers.get(name), name, state)
        line = f"  waiting for {name}: {state}"
        if seconds > QUIET_SECONDS and line != told:
            told = line
            say(line)
        time.sleep(_STEP_SECONDS)


def state_of(container: Json | None) -> str:
    """READY, or what is wrong in the engine's words."""
    if container is None:
        return "not there"
    state = container["State"]
    if state["Status"] != "running":
        code = f" with exit code {state['ExitCode']}" if state.get("ExitCode") else ""
        return f"{state['Status']}{code}"
    health = (state.get("Health") or {}).get("Status", "healthy")
    return READY if health == "healthy" else str(health)


def _is_hopeless(container: Json | None) -> bool:
    return container is not None and int(container.get("RestartCount", 0)) >= _MOST_RESTARTS


def _failure(engine: ComposeEngine, container: Json | None, name: str, state: str) -> PlatformError:
    what = f"{name} is not ready: {state}"
    hint = "mend it, then hai-up run again; hai-up logs shows more"
    if container is None:
        return PlatformError(what, hint=hint)
    done = engine.tried(("docker", "logs", "--tail", str(_LINES), container["Id"]))
    return PlatformError(f"{what}: {last_words(done.stdout + done.stderr)}", hint=hint)
