"""A page of text that can be scrolled."""

from collections.abc import Sequence

from hai.tui.columns import shortened
from hai.tui.dashboard import Look
from hai.tui.text import Build, Line
from hai.tui.widgets.lines import Lines


class Page(Lines):
    """Its lines depend on its width: `build(width)` makes them anew when that changes."""

    def __init__(self, look: Look, build: Build, *, id: str | None = None) -> None:
        super().__init__(look, id=id)
        self._build = build
        self._lines: Sequence[Line] = ()
        self._width = -1

    def show(self, build: Build) -> None:
        """Another text; the place in it is kept as far as it goes."""
        self._build = build
        self._width = -1
        self.top = max(0, min(self.top, self.count() - self.room))
        self.refresh()

    def lines(self) -> Sequence[Line]:
        width = max(1, self.size.width - 1)
        if width != self._width:
            self._lines, self._width = self._build(width), width
        return self._lines

    def count(self) -> int:
        return len(self.lines())

    def line(self, index: int, width: int) -> tuple[Line, str]:
        return [(" ", ""), *shortened(self.lines()[index], width - 1, self.look.glyphs.more)], ""
