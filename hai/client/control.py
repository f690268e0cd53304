"""The program's side of the control directory (HAI_CONTROL_DIR), the meeting place with its agent.

Any language can do the same: create `ack` and `saved`, read `suspend` and `whole_life_state`, write
`requests/<id>.json` and read `replies/<id>.json`.
"""

from __future__ import annotations

import json
import os
import time

from hai.files import write_whole

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

POLL_SECONDS = 0.02


class RequestRefused(Exception):
    """The platform said no; the text says why."""


class ControlDir:
    """Methods raise OSError when the directory is not usable."""

    def __init__(self, path: str) -> None:
        self._path = path

    def has_notice(self) -> bool:
        return os.path.exists(os.path.join(self._path, "suspend"))

    def mark(self, name: str, text: str = "") -> None:
        """Put a small file there in one step."""
        write_whole(os.path.join(self._path, name), text, mode=None)

    def whole_life_state(self) -> int | None:
        """None if the agent has not written it."""
        try:
            with open(os.path.join(self._path, "whole_life_state"), encoding="ascii") as file:
                return int(file.read())
        except (OSError, ValueError):
            return None

    def request(self, op: str, value: Any, timeout_seconds: float) -> None:
        """Ask the platform and wait for its answer. RequestRefused; TimeoutError."""
        request_id = f"{os.getpid()}-{os.urandom(6).hex()}"
        question = os.path.join(self._path, "requests", request_id + ".json")
        answer = os.path.join(self._path, "replies", request_id + ".json")
        write_whole(question, json.dumps({"op": op, "value": value}), mode=None)
        deadline = time.monotonic() + timeout_seconds
        while not os.path.exists(answer):
            if time.monotonic() >= deadline:
                _remove(question)
                raise TimeoutError(f"{op}: no answer in {timeout_seconds:g} s")
            time.sleep(POLL_SECONDS)
        with open(answer, encoding="utf-8") as file:
            reply = json.load(file)
        _remove(answer)
        if not reply.get("ok"):
            raise RequestRefused(reply.get("error") or f"{op} was refused")


def _remove(path: str) -> None:
    try:
        os.unlink(path)
    except OSError:
        return
