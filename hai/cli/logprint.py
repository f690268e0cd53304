"""Log lines on stdout: a program's bytes as they are, lines with heads, or objects.

On a terminal a line without its end is shown as it stands, and a bar is redrawn in its place. What
goes into a file or a pipe is what the program wrote, each byte once.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from hai.client.loglines import WholeLines, bytes_of, redrawn, written_by
from hai.console.formats import json_line
from hai.console.output import Format, Output
from hai.console.terminal import cut_to, printable

Piece = Mapping[str, Any]
_ERASE = b"\r\x1b[K"


class Sink(Protocol):
    """Where pieces of lines go."""

    def line(self, piece: Piece) -> None: ...

    def flush(self) -> None:
        """A batch is over."""

    def interrupt(self) -> None:
        """Somebody else is about to write on the terminal."""

    def close(self) -> None:
        """Nothing more comes (for now)."""


class Passing:
    """Passes on what the program wrote."""

    def __init__(self, output: Output) -> None:
        self._output = output
        self._is_open = False
        self._attempt = 0

    def line(self, piece: Piece) -> None:
        attempt = int(piece.get("attempt") or 0)
        if attempt != self._attempt:
            self.interrupt()
            self._attempt = attempt
        self._is_open = bool(piece.get("open"))
        self._output.program(written_by(piece))

    def flush(self) -> None:
        self._output.flush()

    def interrupt(self) -> None:
        if self._is_open and self._output.is_terminal:
            self._output.program(b"\n")
            self._output.flush()
            self._is_open = False

    def close(self) -> None:
        self.interrupt()
        self._output.flush()


class LinePrinter:
    """Whole lines, each shown by `show`; on a terminal the newest open one stands below, with
    `head` before it, until it is whole."""

    def __init__(
        self, output: Output, show: Callable[[Piece], object], head: Callable[[Piece], str] | None
    ) -> None:
        self._output = output
        self._show = show
        self._head = head if output.is_terminal else None
        self._whole = WholeLines()
        self._newest: int | None = None  # the rank whose open line changed last
        self._is_drawn = False

    def line(self, piece: Piece) -> None:
        if piece.get("open"):
            self._newest = int(piece["rank"])
        for line in self._whole.add(piece):
            self._give(line)

    def _give(self, line: Piece) -> None:
        self.interrupt()
        self._show(line)

    def flush(self) -> None:
        line = None if self._newest is None else self._whole.peek(self._newest)
        if line is not None and self._head is not None:
            text = printable(self._head(line) + redrawn(str(line["text"])))
            width = max(1, (self._output.width or 80) - 1)
            self._output.program(_ERASE + cut_to(text, width).encode())
            self._is_drawn = True
        self._output.flush()

    def interrupt(self) -> None:
        if self._is_drawn:
            self._output.program(_ERASE)
            self._output.flush()
            self._is_drawn = False

    def close(self) -> None:
        for line in self._whole.rest():
            self._give(line)
        self.interrupt()
        self._output.flush()


def matching(
    show: Callable[[Piece], object], pattern: re.Pattern[str] | None
) -> Callable[[Piece], object]:
    """`show` for lines in which `pattern` is found."""
    if pattern is None:
        return show
    return lambda line: show(line) if pattern.search(line["text"]) else None


def printer(output: Output, head: Callable[[Piece], str]) -> Callable[[Piece], object]:
    """Prints lines behind their heads."""
    return lambda line: output.program(head(line).encode() + bytes_of(line) + b"\n")


def collector(
    output: Output, member: str, collected: list[Mapping[str, Any]]
) -> Callable[[Piece], object]:
    """Lines as objects: at once for -o jsonl, collected for a document."""
    of = {"member": member} if member else {}
    if output.format is not Format.JSONL:
        return lambda line: collected.append({**of, **line})
    return lambda line: output.raw(json_line({**of, **line}))
