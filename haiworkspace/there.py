"""The snapshot of a workspace on the machine that has it, asked for by a client behind ssh: that
one has pushed, and holds the lock. Question and answer are JSON."""

import json
import os
from pathlib import Path
from typing import Any

from hai.errors import Denied, HaiError, InvalidInput
from hai.workspace.snapshots import entries_of
from haiworkspace.remotes.folder import FolderRemote

QUESTION_BYTES = 64 << 20


def answer(folder: Path, question: bytes) -> dict[str, Any]:
    """`id` and `folder` of the snapshot of `entries`; those of the old ones that are not in `keep`
    are collected (null: none). Or an `error`, as the platform writes it."""
    try:
        name, where = _made(folder, question)
    except HaiError as error:
        body = {"code": error.code, "message": error.message, "hint": error.hint}
        return {"error": body}
    return {"id": name, "folder": where}


def _made(folder: Path, question: bytes) -> tuple[str, str]:
    if len(question) > QUESTION_BYTES:
        raise InvalidInput("the list of files is too long", hint="keep data elsewhere")
    try:
        document = json.loads(question)
        keep = document["keep"]
        kept = None if keep is None else [str(one) for one in keep]
        entries = entries_of(document)
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise InvalidInput(f"no list of files: {error}"[:200], hint="") from None
    os.umask(0o022)
    try:
        return FolderRemote(folder).make_snapshot(entries, kept)
    except OSError as error:
        raise Denied(
            f"cannot make a snapshot in {folder}: {error.strerror or error}",
            hint="look at that folder there",
        ) from error
