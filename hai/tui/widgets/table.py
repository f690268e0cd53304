"""A table of any number of rows. Cells are made when their row is in sight."""

from collections.abc import Hashable, Sequence
from typing import Any, NamedTuple

from textual import events
from textual.strip import Strip

from hai.tui.columns import TableColumn, header, laid_out, row_line
from hai.tui.dashboard import Look
from hai.tui.text import Line
from hai.tui.widgets.lines import Lines

_DRAWN_KEPT = 500


class _Drawn(NamedTuple):
    """A row as it was drawn when it looked so."""

    looks: tuple[object, ...]
    strip: Strip


class Table(Lines):
    """`rows` in order, each under its key; the cursor stays on its key when rows come and go."""

    head = 1

    def __init__(
        self, look: Look, columns: Sequence[TableColumn], *, id: str | None = None
    ) -> None:
        super().__init__(look, id=id)
        self.columns = columns
        self.rows: Sequence[Any] = ()
        self.keys: Sequence[Hashable] = ()
        self.context: Any = None
        self.cursor = 0
        self.marks: set[Hashable] = set()
        self.last_mark: Hashable = None
        self.sorted_by = ""
        self.is_reversed = False
        self.hint = ""  # said when there are no rows
        self._drawn: dict[int, _Drawn] = {}

    def show(self, rows: Sequence[Any], keys: Sequence[Hashable], context: Any) -> None:
        """New rows. Marks of rows that are gone go with them."""
        here = self.keys[self.cursor] if self.cursor < len(self.keys) else None
        was_at_top = self.cursor == 0
        self.rows, self.keys, self.context = rows, keys, context
        if self.marks:
            self.marks &= set(keys)
        if was_at_top:
            self.cursor = 0
        elif here is not None and not (self.cursor < len(keys) and keys[self.cursor] == here):
            place = {key: index for index, key in enumerate(keys)}
            self.cursor = place.get(here, min(self.cursor, max(0, len(keys) - 1)))
        self.cursor = min(self.cursor, max(0, len(keys) - 1))
        self._keep_in_sight()
        self.forget()

    @property
    def current(self) -> Any:
        """The row under the cursor; None in an empty table."""
        return self.rows[self.cursor] if self.cursor < len(self.rows) else None

    def marked(self) -> list[Any]:
        """Marked rows in the order in which they are shown; without marks the current one."""
        if self.marks:
            return [r for r, k in zip(self.rows, self.keys, strict=True) if k in self.marks]
        return [] if self.current is None else [self.current]

    # drawing

    def render_line(self, y: int) -> Strip:
        """Scrolling by a row draws one row: the others are the same strips as before."""
        index = self.top + y - self.head
        if y < self.head or index >= len(self.rows):
            return super().render_line(y)
        looks = (index == self.cursor, self.keys[index] in self.marks, self.size.width, self.paint)
        kept = self._drawn.get(index)
        if kept is None or kept.looks != looks:
            if len(self._drawn) > _DRAWN_KEPT:
                self._drawn.clear()
            kept = self._drawn[index] = _Drawn(looks, super().render_line(y))
        return kept.strip

    def forget(self) -> None:
        """Time has passed, or rows are others: nothing drawn is good any more."""
        self._drawn.clear()
        self.refresh()

    def count(self) -> int:
        return len(self.rows) or (1 if self.hint else 0)

    def head_line(self, index: int, width: int) -> tuple[Line, str]:
        layout = laid_out(self.columns, width - 1)
        arrow = self.look.glyphs.down if self.is_reversed else self.look.glyphs.up
        return [(" ", ""), (header(layout, self.sorted_by, arrow), "head")], "strip"

    def line(self, index: int, width: int) -> tuple[Line, str]:
        if not self.rows:
            return [(f" {self.hint}", "dim")], ""
        layout = laid_out(self.columns, width - 1)
        glyphs = self.look.glyphs
        cells = row_line(self.rows[index], self.context, layout, glyphs.more)
        mark = glyphs.mark if self.keys[index] in self.marks else " "
        pointer = ">" if mark == " " and index == self.cursor and not self.look.has_colour else mark
        return [(pointer, "mark"), *cells], "cursor" if index == self.cursor else ""

    # moving

    def move_to(self, index: int) -> None:
        before, self.cursor = self.cursor, max(0, min(index, len(self.rows) - 1))
        if self.cursor == before:
            return
        if not self._keep_in_sight():
            self.redraw(before)
            self.redraw(self.cursor)
        self.post_message(self.Moved())

    def _keep_in_sight(self) -> bool:
        """True if everything is to be drawn anew."""
        before = self.top
        if self.cursor < self.top:
            self.top = self.cursor
        elif self.cursor >= self.top + self.room:
            self.top = self.cursor - self.room + 1
        self.top = max(0, min(self.top, len(self.rows) - self.room))
        if self.top != before:
            self.refresh()
        return self.top != before

    def action_up(self) -> None:
        self.move_to(self.cursor - 1)

    def action_down(self) -> None:
        self.move_to(self.cursor + 1)

    def action_page_up(self) -> None:
        self.move_to(self.cursor - self.room)

    def action_page_down(self) -> None:
        self.move_to(self.cursor + self.room)

    def action_first(self) -> None:
        self.move_to(0)

    def action_last(self) -> None:
        self.move_to(len(self.rows) - 1)

    def on_resize(self) -> None:
        self._keep_in_sight()

    # marks and the mouse

    def mark(self) -> None:
        """Mark the current row or take its mark away, and go on to the next."""
        if self.current is None:
            return
        key = self.keys[self.cursor]
        self.marks ^= {key}
        self.last_mark = key
        self.redraw(self.cursor)
        self.action_down()

    def mark_range(self) -> None:
        """Mark all rows between the last mark and the cursor."""
        if self.last_mark not in self.keys:
            self.mark()
            return
        first, last = sorted((list(self.keys).index(self.last_mark), self.cursor))
        self.marks.update(self.keys[first : last + 1])
        self.refresh()

    def on_click(self, event: events.Click) -> None:
        index = self.top + event.y - self.head
        if event.y >= self.head and index < len(self.rows):
            again = index == self.cursor
            self.move_to(index)
            if again:
                self.post_message(self.Chosen(index))
