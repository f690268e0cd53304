"""Codes that enter a dev container's JupyterLab once."""

from __future__ import annotations

import hashlib
import os
import secrets

from hai.agent.files import write_private
from hai.agent.jupyter import CODES, socket_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from hai.agent.channel.local_process import Place
    from hai.agent.channel.loop import Loop
    from hai.agent.channel.mux import Stream


def begin(stream: Stream, info: dict[str, Any], loop: Loop, place: Place) -> None:
    """Answers with a new `code`, once somebody listens."""
    if not os.path.exists(socket_of(place.control_dir)):
        raise ValueError("JupyterLab does not answer (yet)")
    code = secrets.token_urlsafe(32)
    name = hashlib.sha256(code.encode()).hexdigest()
    write_private(os.path.join(place.control_dir, CODES, name), "")
    stream.ready(code=code)
    stream.close()
