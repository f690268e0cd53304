"""Log lines as the server sends them: pieces of them while they have no end, and lines again.

A piece is a mapping with `attempt`, `rank`, `at` and `text`; `open` is true when its line goes on,
`raw` holds the bytes in base64 where they are no UTF-8.
"""

from __future__ import annotations

import base64

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

LONGEST_BYTES = 16 * 2**20  # a line that is longer is given out in parts


def bytes_of(piece: Mapping[str, Any]) -> bytes:
    """What the program wrote, without the line end."""
    raw = piece.get("raw")
    if raw is not None:
        return base64.b64decode(raw)
    text: str = piece["text"]
    return text.encode("utf-8", "surrogatepass")


def written_by(piece: Mapping[str, Any]) -> bytes:
    """What the program wrote, with the line end where it wrote one."""
    return bytes_of(piece) + (b"" if piece.get("open") else b"\n")


class WholeLines:
    """Joins pieces to lines, which look like the pieces."""

    def __init__(self, longest_bytes: int = LONGEST_BYTES) -> None:
        self._longest_bytes = longest_bytes
        self._attempt = 0
        self._open: dict[int, list[Mapping[str, Any]]] = {}  # by rank
        self._sizes: dict[int, int] = {}

    def add(self, piece: Mapping[str, Any]) -> list[Mapping[str, Any]]:
        """The lines that are whole by this piece: of an earlier attempt, none can become so."""
        done = []
        attempt = int(piece.get("attempt") or 0)
        if attempt != self._attempt:
            done, self._attempt = self.rest(), attempt
        rank = int(piece["rank"])
        if not piece.get("open") and rank not in self._open:
            return [*done, piece]
        self._open.setdefault(rank, []).append(piece)
        self._sizes[rank] = self._sizes.get(rank, 0) + len(piece["text"])
        if not piece.get("open") or self._sizes[rank] >= self._longest_bytes:
            done.append(self._close(rank, is_open=bool(piece.get("open"))))
        return done

    def peek(self, rank: int) -> Mapping[str, Any] | None:
        """The line of a rank that has no end, as it stands."""
        if rank not in self._open:
            return None
        line = _joined(self._open[rank], is_open=True)
        self._open[rank] = [line]
        return line

    def rest(self) -> list[Mapping[str, Any]]:
        """The lines that have no end; they are forgotten."""
        return [self._close(rank, is_open=True) for rank in sorted(self._open)]

    def _close(self, rank: int, *, is_open: bool) -> Mapping[str, Any]:
        self._sizes.pop(rank, None)
        return _joined(self._open.pop(rank), is_open=is_open)


def _joined(pieces: list[Mapping[str, Any]], *, is_open: bool) -> Mapping[str, Any]:
    if len(pieces) == 1:
        return pieces[0]
    line = {key: value for key, value in pieces[0].items() if key not in ("open", "raw")}
    if any("raw" in piece for piece in pieces):
        data = b"".join(map(bytes_of, pieces))
        line["text"] = data.decode("utf-8", "replace")
        line["raw"] = base64.b64encode(data).decode()
    else:
        line["text"] = "".join(piece["text"] for piece in pieces)
    if is_open:
        line["open"] = True
    return line


def redrawn(text: str) -> str:
    """What a terminal shows of a line that was drawn over itself, as progress bars are (`\\r`)."""
    if "\r" not in text:
        return text
    shown = ""
    for part in text.split("\r"):
        shown = part if "\x1b" in part or "\x1b" in shown else part + shown[len(part) :]
    return shown


def compact(text: str) -> str:
    """An open line without what was drawn over: whatever follows, the same will be shown."""
    before, sign, last = text.rpartition("\r")
    return redrawn(before) + sign + last
