"""A widget of lines that draws only those in sight: ten or ten million cost the same."""

from dataclasses import dataclass
from typing import ClassVar

from rich.segment import Segment
from textual import events
from textual.binding import BindingType
from textual.geometry import Region
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from hai.tui.bindings import moves
from hai.tui.columns import shortened
from hai.tui.dashboard import Look
from hai.tui.glyphs import ASCII
from hai.tui.text import Line, line_width, merged
from hai.tui.themes import Painter

_STAND_INS = str.maketrans({"…": "~", "·": "-"})


def _in_ascii(text: str) -> str:
    """For terminals that can show nothing else."""
    if text.isascii():
        return text
    return text.translate(_STAND_INS).encode("ascii", "replace").decode()


class Lines(Widget, can_focus=True):
    """`count` lines, drawn by `line`; the first one in sight is `top`. `head` lines stay on top."""

    DEFAULT_CSS = "Lines { height: 1fr; width: 1fr; }"
    BINDINGS: ClassVar[list[BindingType]] = moves()
    head = 0
    top = 0

    @dataclass
    class Chosen(Message):
        """A second click on what the cursor stands on."""

        index: int

    class Moved(Message):
        """The cursor stands elsewhere."""

        def can_replace(self, message: Message) -> bool:
            return isinstance(message, Lines.Moved)

    def __init__(self, look: Look, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.look = look

    @property
    def paint(self) -> Painter:
        return self.look.painter

    # for the ones that derive

    def count(self) -> int:
        raise NotImplementedError

    def line(self, index: int, width: int) -> tuple[Line, str]:
        """The spans of a line and the role of its ground ("" for none)."""
        raise NotImplementedError

    def head_line(self, index: int, width: int) -> tuple[Line, str]:
        raise NotImplementedError

    # drawing

    @property
    def room(self) -> int:
        """Lines in sight."""
        return max(1, self.size.height - self.head)

    def render_line(self, y: int) -> Strip:
        width = self.size.width
        if y < self.head:
            return self._strip(*self.head_line(y, width), width)
        index = self.top + y - self.head
        if index >= self.count():
            return Strip.blank(width, self.paint(""))
        return self._strip(*self.line(index, width), width)

    def _strip(self, line: Line, ground: str, width: int) -> Strip:
        paint = self.paint
        if self.look.glyphs is ASCII:
            line = [(_in_ascii(text), role) for text, role in line]
        left = width - line_width(line)
        if left > 0:
            line = [*line, (" " * left, "")]
        elif left < 0:
            line = shortened(line, width, "")
        if ground:
            segments = [Segment(text, paint.over(role, ground)) for text, role in merged(line)]
        else:
            segments = [Segment(text, paint(role)) for text, role in merged(line)]
        return Strip(segments).adjust_cell_length(width, paint("")) if left < 0 else Strip(segments)

    def redraw(self, index: int) -> None:
        """Only one line."""
        y = index - self.top + self.head
        if self.head <= y < self.size.height:
            self.refresh(Region(0, y, self.size.width, 1))

    # moving

    def scroll_lines(self, top: int) -> None:
        top = max(0, min(top, self.count() - self.room))
        if top != self.top:
            self.top = top
            self.refresh()

    def action_up(self) -> None:
        self.scroll_lines(self.top - 1)

    def action_down(self) -> None:
        self.scroll_lines(self.top + 1)

    def action_page_up(self) -> None:
        self.scroll_lines(self.top - self.room)

    def action_page_down(self) -> None:
        self.scroll_lines(self.top + self.room)

    def action_first(self) -> None:
        self.scroll_lines(0)

    def action_last(self) -> None:
        self.scroll_lines(self.count())

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        event.stop()
        self.scroll_lines(self.top + 3)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        event.stop()
        self.scroll_lines(self.top - 3)

    def on_resize(self) -> None:
        self.top = max(0, min(self.top, self.count() - self.room))
