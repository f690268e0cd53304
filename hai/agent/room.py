"""Whether the disk of the logs has room for more: what the platform itself needs stays free.

A task's log stops before the disk is full; the program goes on, and so does the log when there is
room again.
"""

from __future__ import annotations

import os
import time

LOOK_SECONDS = 0.5  # between two looks while little is written
LOOK_BYTES = 2**18  # written between two looks at the most
MOST_SHARE = 20  # of a small disk no more than this part of it is left to the platform
SPARE = 1.1  # of the reserve, before the log goes on: it is not to stop and go all the time


class DiskSpace:
    """Belongs to the thread that writes. `reserve_bytes` 0: whatever there is."""

    def __init__(self, folder: str, reserve_bytes: int) -> None:
        self._folder = folder
        self.reserve_bytes = reserve_bytes
        self.need_bytes = reserve_bytes
        self.is_there = True
        self._looked_at = 0.0
        self._written = LOOK_BYTES

    def note(self, size: int) -> None:
        """So many bytes are being written."""
        self._written += size

    def look(self) -> bool:
        """Whether `is_there` has changed."""
        now = time.monotonic()
        if self._written < LOOK_BYTES and now - self._looked_at < LOOK_SECONDS:
            return False
        self._written, self._looked_at = 0, now
        was, self.is_there = self.is_there, self._has_room()
        return was != self.is_there

    def _has_room(self) -> bool:
        if not self.reserve_bytes:
            return True
        try:
            found = os.statvfs(self._folder)
        except OSError:  # it is not there yet, or does not answer: writing will tell
            return self.is_there
        need = min(self.reserve_bytes, found.f_blocks * found.f_frsize // MOST_SHARE)
        self.need_bytes = need
        return found.f_bavail * found.f_frsize >= need * (1.0 if self.is_there else SPARE)
