"""The last lines of a log, bounded in number and in size; and what was found in them. Pure."""

import re
from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from hai.client.loglines import compact, redrawn

LINES_KEPT = 100_000
CHARS_KEPT = 48 * 2**20
LONGEST_CHARS = 2**20  # a longer line goes on in another one
SEARCHED_CHARS = 64 * 1024  # of one line
STEP_CHARS = 2 * 2**20  # searched between two looks at the keyboard


@dataclass(frozen=True, slots=True)
class BufferedLogLine:
    """`rank` None: not the program's words but a note of ours."""

    rank: int | None
    at: str
    text: str


@dataclass(slots=True)
class LogBuffer:
    """Lines have absolute numbers that stay theirs when older ones are dropped."""

    lines_kept: int = LINES_KEPT
    chars_kept: int = CHARS_KEPT
    first: int = 0
    chars: int = 0
    lines: deque[BufferedLogLine] = field(default_factory=deque)
    _attempt: int = 0
    # by rank: the number of its open line, and how that was drawn
    _open: dict[int, tuple[int, str]] = field(default_factory=dict)

    @property
    def end(self) -> int:
        """One behind the last line's number."""
        return self.first + len(self.lines)

    def line(self, number: int) -> BufferedLogLine:
        return self.lines[number - self.first]

    def add(self, lines: Iterable[Mapping[str, Any]]) -> set[int]:
        """Lines and pieces of lines as they come from the server; where an attempt begins, a note
        says so. The numbers of those lines that were here already, and went on."""
        grown = set()
        for line in lines:
            if line["attempt"] != self._attempt:
                if self._attempt or line["attempt"] > 1:
                    self.note(f"attempt {line['attempt']}")
                self._attempt = line["attempt"]
                self._open.clear()
            grown.add(self._piece(line))
        return {number for number in grown if number is not None and number >= self.first}

    def _piece(self, piece: Mapping[str, Any]) -> int | None:
        """The number of the line that goes on with it; None if it begins one."""
        rank = int(piece["rank"])
        number, drawn = self._open.pop(rank, (-1, ""))
        goes_on = number >= self.first and len(drawn) < LONGEST_CHARS
        # A bar that is drawn over and over must not grow: what it was before is forgotten.
        drawn = compact((drawn if goes_on else "") + piece["text"])
        line = BufferedLogLine(rank, piece["at"], redrawn(drawn))
        if goes_on:
            self.chars += len(line.text) - len(self.line(number).text)
            self.lines[number - self.first] = line
            self._bound()
        else:
            number = self.end
            self._append(line)
        if piece.get("open"):
            self._open[rank] = (number, drawn)
        return number if goes_on else None

    def note(self, text: str) -> None:
        self._append(BufferedLogLine(None, "", text))

    def _append(self, line: BufferedLogLine) -> None:
        self.lines.append(line)
        self.chars += len(line.text)
        self._bound()

    def _bound(self) -> None:
        while len(self.lines) > self.lines_kept or (
            self.chars > self.chars_kept and len(self.lines) > 1
        ):
            self.chars -= len(self.lines.popleft().text)
            self.first += 1


@dataclass(slots=True)
class Search:
    """Line numbers in which a pattern is found, as far as was searched yet."""

    pattern: re.Pattern[str]
    hits: list[int] = field(default_factory=list)
    next: int = 0

    def step(self, buffer: LogBuffer) -> bool:
        """Search on for a while; True while there is more to search."""
        self.next = max(self.next, buffer.first)
        if self.hits and self.hits[0] < buffer.first:
            del self.hits[: bisect_left(self.hits, buffer.first)]
        chars = 0
        while self.next < buffer.end and chars < STEP_CHARS:
            text = buffer.line(self.next).text[:SEARCHED_CHARS]
            if self.pattern.search(text):
                self.hits.append(self.next)
            chars += len(text) + 20
            self.next += 1
        return self.next < buffer.end

    def again(self, numbers: Iterable[int]) -> None:
        """Lines that changed are searched once more."""
        first = min(numbers, default=self.next)
        if first < self.next:
            self.next = first
            del self.hits[bisect_left(self.hits, first) :]

    def after(self, number: int) -> int | None:
        """The first hit behind a line; the first of all when there is none."""
        if not self.hits:
            return None
        at = bisect_right(self.hits, number)
        return self.hits[at % len(self.hits)]

    def before(self, number: int) -> int | None:
        if not self.hits:
            return None
        return self.hits[bisect_left(self.hits, number) - 1]

    def place(self, number: int) -> int:
        """1 for the first hit; 0 when the line is none."""
        at = bisect_left(self.hits, number)
        return at + 1 if at < len(self.hits) and self.hits[at] == number else 0
