"""Lines that are always there: header, title, keys."""

from collections.abc import Callable
from typing import NamedTuple

from textual.geometry import Region
from textual.strip import Strip

from hai.tui.dashboard import Look
from hai.tui.text import Line
from hai.tui.widgets.lines import Lines


class _Made(NamedTuple):
    width: int
    lines: list[Line]


class StatusLine(Lines, can_focus=False):
    """A line (or a few) made by `build(width)` whenever it is renewed.

    Not when it is drawn: the library may draw it out of its cache, and what was made then would be
    taken for what is in sight.
    """

    DEFAULT_CSS = "StatusLine { height: 1; }"

    def __init__(
        self,
        look: Look,
        build: Callable[[int], list[Line]],
        *,
        ground: str = "",
        id: str | None = None,
    ) -> None:
        super().__init__(look, id=id)
        self._build = build
        self._ground = ground
        self._made: _Made | None = None

    def renew(self) -> None:
        """Draw it again, if it would look different."""
        width = self.size.width
        made = self._build(width)
        if self._made != _Made(width, made):
            self._made = _Made(width, made)
            self.refresh()

    def count(self) -> int:
        return self.size.height

    def render_lines(self, crop: Region) -> list[Strip]:
        if self._made is None or self._made.width != self.size.width:
            self._made = _Made(self.size.width, self._build(self.size.width))
        return super().render_lines(crop)

    def line(self, index: int, width: int) -> tuple[Line, str]:
        made = self._made.lines if self._made else self._build(width)
        return (made[index] if index < len(made) else []), self._ground
