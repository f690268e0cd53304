"""Screens that are one table with a filter."""

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

from textual import on
from textual.app import ComposeResult

from hai.tui.columns import TableColumn, header, laid_out, row_line
from hai.tui.dashboard import Dashboard
from hai.tui.present import Context
from hai.tui.screens.view import View
from hai.tui.text import Line, plain
from hai.tui.widgets.lines import Lines
from hai.tui.widgets.table import Table

DUMP_WIDTH = 160


class TableView(View):
    """`rows` gives what there is; the filter and the sort order are common to all tables."""

    columns: Sequence[TableColumn] = ()

    def __init__(self, hai: Dashboard, filter: str = "") -> None:
        super().__init__(hai, filter)
        self.total = 0
        self.table = Table(hai, self.columns, id="table")

    # for the ones that derive

    def rows(self) -> Sequence[Any]:
        raise NotImplementedError

    def key(self, row: Any) -> Hashable:
        raise NotImplementedError

    def text(self, row: Any) -> str:
        """What a filter searches."""
        raise NotImplementedError

    def labels(self, row: Any) -> Mapping[str, str]:
        raise NotImplementedError

    def open_row(self, row: Any) -> None:
        """Enter on a row."""

    # the same for all

    def compose_main(self) -> ComposeResult:
        yield self.table

    @property
    def main(self) -> Lines:
        return self.table

    def context(self) -> Context:
        return self.hai.context()

    def show_model(self) -> None:
        table = self.table
        rows = self.rows()
        self.total = len(rows)
        matches = self.matcher()
        if matches is not None:
            rows = [row for row in rows if matches(self.text(row), self.labels(row))]
        column = next((c for c in self.columns if c.letter == table.sorted_by), None)
        if column is not None and column.sort is not None and table.sorted_by:
            rows = sorted(rows, key=column.sort, reverse=table.is_reversed)
        table.hint = self.empty_hint() if not rows else ""
        table.show(rows, [self.key(row) for row in rows], self.context())

    def empty_hint(self) -> str:
        if self.hai.model.received_at is None:
            return "connecting to the server ..."
        return "nothing matches; escape clears the filter" if self.filter else "nothing here"

    def tick(self) -> None:
        self.table.context = self.context()
        self.table.forget()
        super().tick()

    def counts(self) -> str:
        shown = len(self.table.rows)
        place = f"{min(self.table.cursor + 1, shown)}/{shown:,}"
        return f"{place} of {self.total:,}" if self.filter.strip() else place

    def title_line(self, width: int) -> Line:
        line: Line = [(f" {self.view}", "title"), (f"  {self.counts()}", "dim")]
        if self.filter.strip():
            line.append((f"  /{self.filter}", "bad" if self.filter_error else "wait"))
        if self.filter_error:
            line.append((f"  {self.filter_error}", "bad"))
        if self.table.marks:
            line.append((f"  {len(self.table.marks)} marked", "mark"))
        return line

    @on(Lines.Moved)
    def _cursor_moved(self) -> None:
        self.renew()

    @on(Lines.Chosen)
    def _row_chosen(self) -> None:
        self.action_open()

    def action_open(self) -> None:
        if self.table.current is not None:
            self.open_row(self.table.current)

    def action_mark(self) -> None:
        self.table.mark()
        self.renew()

    def action_mark_range(self) -> None:
        self.table.mark_range()
        self.renew()

    def action_sort(self, letter: str) -> None:
        table = self.table
        if table.sorted_by != letter:
            table.sorted_by, table.is_reversed = letter, False
        elif not table.is_reversed:
            table.is_reversed = True
        else:
            table.sorted_by, table.is_reversed = "", False
        self.show_model()

    def action_back(self) -> None:
        if self.table.marks:
            self.table.marks.clear()
            self.table.refresh()
            self.renew()
        else:
            super().action_back()

    def dumped(self) -> str:
        layout = laid_out(self.columns, DUMP_WIDTH)
        context = self.context()
        more = self.hai.glyphs.more
        lines = [row_line(row, context, layout, more) for row in self.table.rows]
        return plain([[(header(layout, "", ""), "")], *lines])
