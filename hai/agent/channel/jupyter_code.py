"""Codes that enter a dev container's JupyterLab once; the token, for the platform's door."""

from __future__ import annotations

import os

from hai.agent import files
from hai.agent.jupyter import TOKEN_FILE, new_code, socket_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from hai.agent.channel.local_process import ProgramContext
    from hai.agent.channel.loop import PollLoop
    from hai.agent.channel.mux import Stream


def begin(stream: Stream, info: dict[str, Any], loop: PollLoop, place: ProgramContext) -> None:
    """Answers with a new `code`, or with the `token` if that is `want`ed, once somebody listens."""
    if not os.path.exists(socket_of(place.control_dir)):
        raise ValueError("JupyterLab does not answer (yet)")
    if info.get("want") == "token":
        with open(os.path.join(place.control_dir, TOKEN_FILE), encoding="ascii") as file:
            stream.ready(token=file.read())
        stream.close()
        return
    folder = files.open_dir(place.control_dir)
    try:
        code = new_code(folder)
    finally:
        os.close(folder)
    stream.ready(code=code)
    stream.close()
