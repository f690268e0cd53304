"""Which chunks a large file was made of when it was last sent: then nobody has to read it there to
tell what changed. Lost or damaged, it is asked for again."""

import json
import re
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

from hai import files
from haiworkspace.records import FOLDER

_NAME = "chunks.json"
_DIGEST = re.compile("[0-9a-f]{64}")


class ChunkBook:
    """Lists of chunks by the SHA-256 of the whole file."""

    def __init__(self, local: Path) -> None:
        self._path = local / FOLDER / _NAME
        self._known: dict[str, list[str]] = {}
        with suppress(OSError, ValueError, AttributeError):
            found = json.loads(self._path.read_text(encoding="ascii"))
            self._known = {key: list(chunks) for key, chunks in found.items()}
        self._before = dict(self._known)

    def chunks(self, digest: str) -> list[str]:
        """Empty where they are not known."""
        found = self._known.get(digest, [])
        return found if all(_DIGEST.fullmatch(str(one)) for one in found) else []

    def note(self, digest: str, chunks: list[str]) -> None:
        self._known[digest] = chunks

    def keep(self, digests: Collection[str]) -> None:
        """Writes down those of these files."""
        kept = {key: chunks for key, chunks in self._known.items() if key in digests}
        if kept != self._before:
            with suppress(OSError):
                self._path.parent.mkdir(exist_ok=True)
                files.write_whole(self._path, json.dumps(kept))
