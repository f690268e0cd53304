"""Names and lists of files as the platform has them."""

import os
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from hai.errors import HaiError
from haiworkspace.plan import FileEntry

Row = tuple[int, int, int, int, int, str | None]  # mode, size, mtime, ctime, inode, link


def quoted(path: str) -> str:
    """Names are bytes, and JSON has none."""
    return quote(os.fsencode(path))


def files_of(entries: Mapping[str, FileEntry]) -> dict[str, tuple[int, str | None, str | None]]:
    """Mode, digest and link of each."""
    return {path: (one.mode, one.digest, one.link) for path, one in entries.items()}


def entries_from(found: Mapping[str, Any]) -> dict[str, FileEntry]:
    """The other way round."""
    return {
        path: FileEntry(int(mode), 0, 0, digest, link)
        for path, (mode, digest, link) in found.items()
    }


def in_use() -> list[str] | None:
    """The snapshots that this user's tasks may still run; None where the platform does not say."""
    from hai.client.http import HaiClient
    from hai.client.profile import load_profile

    try:
        with HaiClient(load_profile(), timeout_seconds=10) as client:
            return [str(one) for one in client.call("snapshots")["in_use"]]
    except HaiError:
        return None
