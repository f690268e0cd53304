"""The map of nodes: one character each, a cursor that walks over them."""

from collections.abc import Mapping, Sequence

from textual import events

from hai.tui.cluster_lines import CAPTION, HeatRow, heat_cell, heat_rows, user_letters
from hai.tui.dashboard import Look
from hai.tui.model import DashboardNode, Holders
from hai.tui.text import Line, fit
from hai.tui.widgets.lines import Lines


class HeatMap(Lines):
    """`nodes` by group; the cursor stays on its node."""

    def __init__(self, look: Look, *, id: str | None = None) -> None:
        super().__init__(look, id=id)
        self._machines: Sequence[DashboardNode] = ()
        self._holders: Mapping[str, Holders] = {}
        self._letters: Mapping[str, int] = {}
        self._rows: list[HeatRow] = []
        self._width = -1
        self.hint = ""  # said when there are no nodes
        self.row = 0
        self.column = 0

    def show(self, nodes: Sequence[DashboardNode], holders: Mapping[str, Holders]) -> None:
        here = self.current
        changed = nodes is not self._machines
        self._machines, self._holders = nodes, holders
        self._letters = user_letters(holders)
        if changed:
            self._width = -1
            self._arrange(here.name if here else "")
        self.refresh()

    def _arrange(self, name: str = "") -> None:
        width = self.size.width
        if width == self._width or width <= 0:
            return
        self._width = width
        self._rows = heat_rows(self._machines, width)
        for number, row in enumerate(self._rows):
            for place, node in enumerate(row.nodes):
                if node.name == name:
                    self.row, self.column = number, place
        self.row = min(self.row, max(0, len(self._rows) - 1))
        self._keep_in_sight()

    @property
    def current(self) -> DashboardNode | None:
        if self.row >= len(self._rows):
            return None
        nodes = self._rows[self.row].nodes
        return nodes[min(self.column, len(nodes) - 1)] if nodes else None

    def count(self) -> int:
        return len(self._rows) or (1 if self.hint else 0)

    def line(self, index: int, width: int) -> tuple[Line, str]:
        if not self._rows:
            return [(f" {self.hint}", "dim")], ""
        row = self._rows[index]
        line: Line = [(" ", ""), (fit(row.caption, CAPTION - 1), "title")]
        for place, node in enumerate(row.nodes):
            mark, role = heat_cell(node, self._holders, self._letters)
            here = index == self.row and place == min(self.column, len(row.nodes) - 1)
            line.append((mark, f"{role}>cell" if here else role))
        return line, ""

    def on_resize(self) -> None:
        here = self.current
        self._arrange(here.name if here else "")

    def _keep_in_sight(self) -> None:
        if self.row < self.top:
            self.top = self.row
        elif self.row >= self.top + self.room:
            self.top = self.row - self.room + 1
        self.top = max(0, min(self.top, len(self._rows) - self.room))

    def _go(self, row: int, column: int) -> None:
        self.row = max(0, min(row, len(self._rows) - 1))
        length = len(self._rows[self.row].nodes) if self._rows else 1
        self.column = max(0, min(column, length - 1))
        self._keep_in_sight()
        self.refresh()
        self.post_message(self.Moved())

    def action_up(self) -> None:
        self._go(self.row - 1, self.column)

    def action_down(self) -> None:
        self._go(self.row + 1, self.column)

    def action_page_up(self) -> None:
        self._go(self.row - self.room, self.column)

    def action_page_down(self) -> None:
        self._go(self.row + self.room, self.column)

    def action_first(self) -> None:
        self._go(0, 0)

    def action_last(self) -> None:
        self._go(len(self._rows) - 1, 1_000_000)

    def action_left(self) -> None:
        self._go(self.row, self.column - 1)

    def action_right(self) -> None:
        self._go(self.row, self.column + 1)

    def on_click(self, event: events.Click) -> None:
        again = self.current
        self._go(self.top + event.y, event.x - CAPTION)
        if again is not None and again is self.current:
            self.post_message(self.Chosen(0))
