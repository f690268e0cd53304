"""A page of text: why, a document, the keys."""

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType

from hai.tui.bindings import bindings_of
from hai.tui.dashboard import Dashboard
from hai.tui.screens.view import View
from hai.tui.text import Build, Line, plain
from hai.tui.widgets.lines import Lines
from hai.tui.widgets.page import Page


class TextScreen(View):
    view = "text"
    BINDINGS: ClassVar[list[BindingType]] = bindings_of("text")

    def __init__(self, hai: Dashboard, title: str, build: Build, cli_equivalent: str) -> None:
        super().__init__(hai)
        self._title = title
        self._text = build
        self._cli_equivalent = cli_equivalent
        self._page = Page(hai, build, id="page")

    def compose_main(self) -> ComposeResult:
        yield self._page

    @property
    def main(self) -> Lines:
        return self._page

    def title_line(self, width: int) -> Line:
        return [(f" {self._title}", "title")]

    def cli_equivalent(self) -> str:
        return self._cli_equivalent

    def dumped(self) -> str:
        return plain(self._text(160))

    def action_pager(self) -> None:
        self.hai.page_text(self.dumped())
