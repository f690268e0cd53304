"""A process of one user that answers what is asked of that user's workspaces.

Before it reads a question it becomes that user for good (uid, gid, no other groups), so that the
kernel decides what it may read and write. One question after the other on standard input, one
answer each on standard output: the length of a head (JSON) and of a body, then both. It ends with
its input.
"""

from __future__ import annotations

import errno
import json
import os
import struct
import sys
from typing import TYPE_CHECKING, Any

from hai.errors import Conflict, Denied, HaiError, InvalidInput, OverQuota, PlatformError
from hai.workspace.twin import Twin, UserSpace, WorkspaceLimits, workspaces

if TYPE_CHECKING:
    from typing import BinaryIO

FRAME = struct.Struct(">II")
_OPERATIONS = frozenset(
    (
        *("look", "tree", "digests", "chunks", "read", "missing", "put", "apply", "destroy"),
        *("snapshot", "entries"),
    )
)
_OF_SNAPSHOTS = frozenset(("look", "tree", "digests", "chunks", "read"))


def main() -> None:
    """The user, the user's folder and the limits stand in the first question."""
    os.umask(0o022)
    source, target = sys.stdin.buffer, sys.stdout.buffer
    first = read(source)
    if first is None:
        return
    _become(first[0]["uid"], first[0]["gid"])
    room = UserSpace(
        str(first[0]["home"]), WorkspaceLimits(**first[0]["limits"]), is_own=first[0]["own"]
    )
    while question := read(source):
        head, body = question
        try:
            answer = _answer(room, head, body)
        except HaiError as error:
            answer = _refusal(error)
        except OSError as error:
            answer = _refusal(told(error))
        except RecursionError:
            answer = _refusal(InvalidInput("directories lie too deep in one another"))
        write(target, *answer)


def _become(uid: int | None, gid: int | None) -> None:
    """None: the account of the platform. The program was loaded before, from wherever it is."""
    if uid is None or gid is None:
        return
    os.setgroups([])
    os.setresgid(gid, gid, gid)
    os.setresuid(uid, uid, uid)


def _answer(room: UserSpace, head: dict[str, Any], body: bytes) -> tuple[dict[str, Any], bytes]:
    operation, name, arguments = head["operation"], head["name"], head.get("arguments", {})
    if operation == "workspaces":
        return {"ok": True}, _encoded(workspaces(room.home))
    if operation not in _OPERATIONS:
        raise InvalidInput(f"unknown operation {operation!r}")
    snapshot = str(head.get("snapshot") or "")
    if snapshot and operation not in _OF_SNAPSHOTS:
        raise InvalidInput("a snapshot is only read", hint="push to the workspace itself")
    twin = Twin(room, name, snapshot)
    if operation == "put":
        arguments = {"body": body}
    found = getattr(twin, operation)(**arguments)
    return {"ok": True}, found if isinstance(found, bytes) else _encoded(found)


def _encoded(answer: dict[str, Any]) -> bytes:
    """ASCII: names that are not UTF-8 travel as escaped surrogates."""
    return json.dumps(answer, separators=(",", ":")).encode("ascii")


def _refusal(error: HaiError) -> tuple[dict[str, Any], bytes]:
    return {"ok": False, "code": error.code, "message": error.message, "hint": error.hint}, b""


def told(error: OSError) -> HaiError:
    """What the file system refused, for the user."""
    what = f"{error.filename or 'the folder of the workspace'}: {error.strerror}"
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return OverQuota(
            "there is no space left where workspaces are kept",
            hint="tell an administrator; the same command again goes on from here",
        )
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return Denied(what, hint="the platform cannot do this as you; see docs/workspaces.md")
    if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
        return Conflict(f"{what}: no file any more, or never one", hint="try again")
    return PlatformError(what, hint="look at the file there")


def read(source: BinaryIO) -> tuple[dict[str, Any], bytes] | None:
    """The next frame; None at the end of the input."""
    sizes = source.read(FRAME.size)
    if len(sizes) < FRAME.size:
        return None
    head_bytes, body_bytes = FRAME.unpack(sizes)
    head, body = source.read(head_bytes), source.read(body_bytes)
    if len(head) < head_bytes or len(body) < body_bytes:
        return None
    return json.loads(head), body


def write(target: BinaryIO, head: dict[str, Any], body: bytes = b"") -> None:
    """One frame."""
    data = json.dumps(head).encode("ascii")
    target.write(FRAME.pack(len(data), len(body)) + data)
    target.write(body)
    target.flush()


if __name__ == "__main__":
    main()
