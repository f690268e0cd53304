"""A page of text: why, a document, the keys."""

from textual.app import ComposeResult

from hai.tui.screens.view import View
from hai.tui.text import Build, Line, plain
from hai.tui.widgets.lines import Lines
from hai.tui.widgets.page import Page


class TextScreen(View):
    view = "text"

    def __init__(self, title: str, build: Build, cli_equivalent: str) -> None:
        super().__init__()
        self._title = title
        self._text = build
        self._cli_equivalent = cli_equivalent
        self._page = Page(build, id="page")

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

    def do_pager(self) -> None:
        self.hai.page_text(self.dumped())
