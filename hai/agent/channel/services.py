"""What the services beside the program do, and orders for them."""

from __future__ import annotations

import os
import time

from hai.agent import files
from hai.agent.services import FOLDER, STATE, VERBS, order

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from hai.agent.channel.local_process import ProgramContext
    from hai.agent.channel.loop import PollLoop
    from hai.agent.channel.mux import Stream

_ANSWER_SECONDS = 15.0
_LOOK_SECONDS = 0.05


def begin(stream: Stream, info: dict[str, Any], loop: PollLoop, place: ProgramContext) -> None:
    """Answers with `services`: the state of each by name; after the order, if there is one: `verb`
    (start, stop, restart) for `service`, which is done then."""
    folder = os.path.join(place.control_dir, FOLDER)
    known = _state(folder)
    verb, service = str(info.get("verb") or ""), str(info.get("service") or "")
    if not verb:
        stream.ready(services=known.get("services") or {})
        stream.close()
        return
    if verb not in VERBS:
        raise ValueError(f"{verb!r} is none of {', '.join(VERBS)}")
    if service not in (known.get("services") or {}):
        raise ValueError(f"no service {service} runs here as a program of its own")
    name = os.urandom(8).hex()
    order(folder, name, service, verb)
    deadline = time.monotonic() + _ANSWER_SECONDS

    def look() -> None:
        if stream.is_closed:
            return
        now = _state(folder)
        states = now.get("services") or {}
        is_on_its_way = (states.get(service) or {}).get("state") == "stopping"
        if name in (now.get("done") or []) and not is_on_its_way:
            stream.ready(services=states)
            stream.close()
        elif time.monotonic() > deadline:
            stream.close(error=f"service {service} has not done it yet")
        else:
            loop.later(_LOOK_SECONDS, look)

    look()


def _state(folder: str) -> dict[str, Any]:
    try:
        parent = files.open_dir(folder)
    except OSError:
        return {}
    try:
        found = files.read_json(STATE, parent)
    finally:
        os.close(parent)
    return found if isinstance(found, dict) else {}
