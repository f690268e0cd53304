"""A log: follows its end, wraps or scrolls sideways, shows what a search found."""

from bisect import bisect_right
from collections.abc import Iterable, Mapping
from typing import Any

from hai.tui.dashboard import Look
from hai.tui.logbuffer import LINES_KEPT, BufferedLogLine, LogBuffer, Search
from hai.tui.text import Line, pieces, precise_clock_of, printable
from hai.tui.widgets.lines import Lines

WRAPPED_CHARS = 20_000  # of one line; more is cut, and said so
_CACHED = 400
_STEP = 20


class LogView(Lines):
    """`top` is an absolute row; without wrapping rows are line numbers."""

    lines_kept = LINES_KEPT

    def __init__(self, look: Look, *, id: str | None = None) -> None:
        super().__init__(look, id=id)
        self.buffer = LogBuffer(self.lines_kept)
        self.search: Search | None = None
        self.found: int | None = None
        self.follows = True
        self.wraps = False
        self.shows_times = False
        self.shows_ranks = False
        self.offset_columns = 0
        self._ends: list[int] = []  # behind the last row of each line, when wrapping
        self._ends_first = 0
        self._cache: dict[int, list[Line]] = {}
        self._wrapped_at = (-1, False, False)

    # what is there

    def clear(self) -> None:
        self.buffer = LogBuffer(self.lines_kept)
        self.found = None
        self._forget()
        self.top = 0
        self.refresh()

    def add(self, lines: Iterable[Mapping[str, Any]]) -> None:
        grown = self.buffer.add(lines)
        if grown:
            self._renew_lines(grown)
        self._grown()

    def _renew_lines(self, numbers: set[int]) -> None:
        """Lines that were shown went on: they look different, and may match and be taller."""
        for number in numbers:
            self._cache.pop(number, None)
        if self.search is not None:
            self.search.again(numbers)
        del self._ends[max(0, min(numbers) - self._ends_first) :]

    def note(self, text: str) -> None:
        self.buffer.note(text)
        self._grown()

    def _grown(self) -> None:
        """Measure the new lines; stay at the end when following."""
        self._measure()
        if self.follows:
            self.top = self._last_top()
        else:
            self.top = max(self.top, self._first_row())
        self.refresh()

    def look_for(self, search: Search | None) -> None:
        self.search, self.found = search, None
        self._cache.clear()
        self.refresh()

    # rows and lines

    def _shape(self) -> tuple[int, bool, bool]:
        return (self.size.width, self.shows_times, self.shows_ranks)

    def _forget(self) -> None:
        self._ends, self._ends_first = [], self.buffer.first
        self._cache.clear()

    def _measure(self) -> None:
        """Rows of the lines that came since the last time; all anew after a change of shape."""
        if not self.wraps:
            return
        if self._wrapped_at != self._shape():
            self._wrapped_at = self._shape()
            self._forget()
        gone = self.buffer.first - self._ends_first
        if gone > 5000 or gone >= len(self._ends) > 0:
            del self._ends[:gone]
            self._ends_first = self.buffer.first
        row = self._ends[-1] if self._ends else 0
        for number in range(self._ends_first + len(self._ends), self.buffer.end):
            row += self._height(self.buffer.line(number))
            self._ends.append(row)

    def _height(self, line: BufferedLogLine) -> int:
        room = max(1, self.size.width - len(self._prefix(line)))
        text = line.text
        if len(text) <= room and text.isascii():
            return 1
        if text.isascii() and text.isprintable():
            shown = min(len(text), WRAPPED_CHARS)
            return max(1, -(-shown // room)) + (1 if len(text) > WRAPPED_CHARS else 0)
        return len(self._pieces(line, room))

    def _pieces(self, line: BufferedLogLine, room: int) -> list[str]:
        parts = pieces(printable(line.text[:WRAPPED_CHARS]), room)
        if len(line.text) > WRAPPED_CHARS:
            parts.append(f"{self.look.glyphs.more} {len(line.text):,} characters in all")
        return parts

    def _first_row(self) -> int:
        if not self.wraps:
            return self.buffer.first
        gone = self.buffer.first - self._ends_first
        return self._ends[gone - 1] if 0 < gone <= len(self._ends) else 0

    def count(self) -> int:
        """One behind the last row."""
        if not self.wraps:
            return self.buffer.end
        self._measure()
        return self._ends[-1] if self._ends else 0

    def _last_top(self) -> int:
        return max(self._first_row(), self.count() - self.room)

    def _line_at(self, row: int) -> tuple[int, int]:
        """The line that a row belongs to, and which of its rows it is."""
        if not self.wraps:
            return row, 0
        index = bisect_right(self._ends, row)
        start = self._ends[index - 1] if index else 0
        return self._ends_first + index, row - start

    def _row_of(self, number: int) -> int:
        if not self.wraps:
            return number
        index = number - self._ends_first
        return self._ends[index - 1] if index > 0 else 0

    # drawing

    def _prefix(self, line: BufferedLogLine) -> str:
        if line.rank is None:
            return ""
        time = f"{precise_clock_of(line.at)} " if self.shows_times else ""
        return f"{time}[{line.rank}] " if self.shows_ranks else time

    def line(self, index: int, width: int) -> tuple[Line, str]:
        number, part = self._line_at(index)
        if number < self.buffer.first:
            return [], ""
        drawn = self._drawn(number, width)
        return (drawn[part] if part < len(drawn) else []), ""

    def _drawn(self, number: int, width: int) -> list[Line]:
        """All rows of a line; kept while its looks do not change."""
        kept = self._cache.get(number)
        if kept is None:
            if len(self._cache) > _CACHED:
                self._cache.clear()
            kept = self._cache[number] = self._draw(number, width)
        return kept

    def _draw(self, number: int, width: int) -> list[Line]:
        line = self.buffer.line(number)
        if line.rank is None:
            return [[(f"-- {printable(line.text)} --", "held")]]
        prefix = self._prefix(line)
        room = max(1, width - len(prefix))
        if self.wraps:
            texts = self._pieces(line, room)
        else:
            start = self.offset_columns
            texts = [printable(line.text[start : start + room + 200])[:room]]
        blank = " " * len(prefix)
        role = f"user{line.rank % 8}" if self.shows_ranks else "dim"
        found = "found" if number == self.found else "match"
        return [
            [(prefix if at == 0 else blank, role), *self._highlighted(text, found)]
            for at, text in enumerate(texts)
        ]

    def _highlighted(self, text: str, role: str) -> Line:
        if self.search is None:
            return [(text, "")]
        line: Line = []
        at = 0
        for match in self.search.pattern.finditer(text):
            if match.end() == match.start():
                continue
            line += [(text[at : match.start()], ""), (match.group(), role)]
            at = match.end()
        return [*line, (text[at:], "")]

    # moving

    def scroll_lines(self, top: int) -> None:
        last = self._last_top()
        top = max(self._first_row(), min(top, last))
        self.follows = self.follows and top >= last
        if top != self.top:
            self.top = top
            self.refresh()

    def action_last(self) -> None:
        self.follows = True
        self.top = self._last_top()
        self.refresh()

    def action_first(self) -> None:
        self.follows = False
        self.scroll_lines(self._first_row())

    def sideways(self, step: int) -> None:
        if not self.wraps:
            self.offset_columns = max(0, self.offset_columns + step * _STEP)
            self.reshape()

    def reshape(self, *, wraps: bool | None = None) -> None:
        """Its looks changed: the line on top stays on top."""
        number = self._line_at(self.top)[0] if self.buffer.lines else 0
        self.wraps = self.wraps if wraps is None else wraps
        self._forget()
        self._wrapped_at = (-1, False, False)
        self._measure()
        top = self._last_top() if self.follows else self._row_of(number)
        self.top = max(self._first_row(), min(top, self._last_top()))
        self.refresh()

    def toggle_wrap(self) -> None:
        self.offset_columns = 0
        self.reshape(wraps=not self.wraps)

    def go_to_match(self, *, forward: bool) -> None:
        """The next match from the current one; at first one that is in sight, where there is any:
        the first when going forward, the last when going back."""
        if self.search is None or not self.buffer.lines:
            return
        here = self.found
        if here is None and forward:
            here = self._line_at(self.top)[0] - 1
        elif here is None:
            here = self._line_at(min(self.top + self.room, self.count()) - 1)[0] + 1
        hit = self.search.after(here) if forward else self.search.before(here)
        if hit is None:
            return
        self.found, self.follows = hit, False
        self._cache.clear()
        row = self._row_of(hit)
        if not self.top <= row < self.top + self.room:
            self.top = max(self._first_row(), min(row - self.room // 3, self._last_top()))
        self.refresh()

    def on_resize(self) -> None:
        self.reshape()

    def text(self) -> str:
        """All that is kept, as plain text."""
        return "".join(f"{self._prefix(line)}{line.text}\n" for line in self.buffer.lines)
