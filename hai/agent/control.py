"""The control directory: where the agent and the user's program meet, in any language.

The agent writes `suspend`, `whole_life_state` and `replies/<id>.json`; the program writes `ack`,
`saved`, `checkpoint`, `watchdog_seconds` and `requests/<id>.json`. Each is written whole, by
renaming.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
from itertools import islice

from hai.agent import files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

MAX_REQUESTS = 32  # forwarded at once; the rest waits until those are answered
MAX_PATH = 1000  # characters of a checkpoint's path that are passed on
MAX_NAMES = 4096  # of a folder are looked at in one pass, whatever a program puts there
_MIN_VALUE, _MAX_VALUE = -(2**63), 2**63 - 1
_REQUEST = re.compile(r"([A-Za-z0-9_-]{1,64})\.json")
_OPS = ("set_whole_life_state", "set_priority")


class Control:
    """`uid` is the program's, when it differs from the agent's."""

    def __init__(self, path: str, uid: int | None) -> None:
        self._uid = uid
        os.makedirs(path, mode=0o700, exist_ok=True)
        self._dir = files.open_dir(path)
        for name in ("requests", "replies"):
            try:
                os.mkdir(name, 0o700, dir_fd=self._dir)
            except FileExistsError:
                continue
            if uid is not None:
                os.chown(name, uid, -1, dir_fd=self._dir, follow_symlinks=False)
        os.fchmod(self._dir, 0o700)
        if uid is not None:
            os.fchown(self._dir, uid, -1)

    def give_notice(self, grace_seconds: float) -> None:
        self._write("suspend", json.dumps({"grace_seconds": grace_seconds}).encode(), self._dir)

    def put_whole_life_state(self, value: int) -> None:
        self._write("whole_life_state", b"%d\n" % value, self._dir)

    @property
    def is_acked(self) -> bool:
        return files.exists("ack", self._dir)

    @property
    def is_saved(self) -> bool:
        return files.exists("saved", self._dir)

    def checkpoint(self, known_at: float | None) -> dict[str, Any] | None:
        """The program's last word on a checkpoint: when (by the file itself), step and path if it
        named them. None if there is no newer one than the one of `known_at`."""
        at = files.changed_at("checkpoint", self._dir)
        if at is None or (known_at is not None and at <= known_at):
            return None
        data = files.read_json("checkpoint", self._dir)
        step, path = (data.get("step"), data.get("path")) if isinstance(data, dict) else (None, "")
        known_step = type(step) is int and _MIN_VALUE <= step <= _MAX_VALUE
        return {
            "at": at,
            "step": step if known_step else None,
            "path": path[:MAX_PATH] if isinstance(path, str) else "",
        }

    def watchdog_seconds(self) -> float | None:
        """The limit that the program asked for; None if it asked for none that makes sense."""
        data = files.read("watchdog_seconds", self._dir)
        try:
            value = float(data) if data else 0.0
        except ValueError:
            return None
        return value if 0 < value < float("inf") else None

    def requests(self, known: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
        """Requests that are not yet `known` by id. A malformed one is answered here."""
        try:
            folder = files.open_dir("requests", self._dir)
        except OSError:
            return []
        try:
            new: list[dict[str, Any]] = []
            unknown = [name for name in _request_ids(folder) if name not in known]
            for request_id in unknown[: MAX_REQUESTS - len(known)]:
                request = _parsed(request_id, files.read_json(f"{request_id}.json", folder))
                if request is None:
                    self._refuse(request_id)
                else:
                    new.append(request)
            return new
        except OSError:  # the disk; the next pass tries again
            return []
        finally:
            os.close(folder)

    def reply(self, request_id: str, ok: bool, error: str) -> None:
        """Write the answer, then take the request away."""
        data = json.dumps({"ok": ok, "error": error}).encode()
        for name, folder_name in ((f"{request_id}.json", "replies"), ("", "requests")):
            try:
                folder = files.open_dir(folder_name, self._dir)
            except OSError:
                continue
            try:
                if name:
                    self._write(name, data, folder)
                else:
                    files.remove(f"{request_id}.json", folder)
            finally:
                os.close(folder)

    def _refuse(self, request_id: str) -> None:
        why = f"not a request: expected {{op, value}} with op in {_OPS} and a 64-bit integer"
        with contextlib.suppress(OSError):  # it is still there at the next pass
            self.reply(request_id, False, why)

    def _write(self, name: str, data: bytes, folder: int) -> None:
        files.write(name, data, folder, uid=self._uid)


def _request_ids(folder: int) -> list[str]:
    """Ids of regular files that are named like requests, in order."""
    with os.scandir(folder) as entries:
        some = list(islice(entries, MAX_NAMES))
    matches = (_REQUEST.fullmatch(e.name) for e in some if e.is_file(follow_symlinks=False))
    return sorted(match.group(1) for match in matches if match)


def _parsed(request_id: str, data: Any) -> dict[str, Any] | None:
    """None for what the server would not understand: it would refuse the whole report with it,
    and an agent whose reports are refused hears no orders."""
    if not isinstance(data, dict) or data.get("op") not in _OPS:
        return None
    value = data.get("value")
    if type(value) is not int or not _MIN_VALUE <= value <= _MAX_VALUE:
        return None
    return {"id": request_id, "op": data["op"], "value": value}
