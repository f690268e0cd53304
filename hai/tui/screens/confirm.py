"""Asks before something is changed. Tab and Enter, or y, say yes; escape and n say no."""

from typing import ClassVar

from textual import events, on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Button, Input, Static

from hai.tui.consequences import Question
from hai.tui.text import printable

_AROUND = 8  # lines of the box that are not the list: its padding, the title, the answers


class ConfirmScreen(ModalScreen[bool]):
    """True for yes. A question with `typed` wants that text before it can be yes."""

    DEFAULT_CSS = """
    ConfirmScreen { align: center middle; background: $background 60%; }
    ConfirmScreen #box {
        width: 72; max-width: 96%; height: auto; max-height: 96%; padding: 1 2;
        background: $panel; color: $foreground;
    }
    ConfirmScreen Static { height: auto; }
    ConfirmScreen #question { text-style: bold; padding-bottom: 1; }
    ConfirmScreen #command { color: $foreground 70%; padding-top: 1; }
    ConfirmScreen #lines { height: auto; scrollbar-size-vertical: 1; }
    ConfirmScreen #buttons { height: 1; margin-top: 1; }
    ConfirmScreen Button { margin-right: 2; }
    ConfirmScreen Button:focus { text-style: bold reverse; }
    ConfirmScreen Input { border: none; height: 1; padding: 0; margin-top: 1; }
    """
    AUTO_FOCUS = "Input, #no"
    BINDINGS: ClassVar[list[BindingType]] = [
        ("escape,n", "answer(False)"),
        ("y", "answer(True)"),
        ("up", "scroll_list(-1)"),
        ("down", "scroll_list(1)"),
        ("pageup", "page_list(-1)"),
        ("pagedown", "page_list(1)"),
        ("left,right", "app.focus_next"),
    ]

    def __init__(self, question: Question) -> None:
        super().__init__()
        self._question = question

    def compose(self) -> ComposeResult:
        question = self._question
        with Vertical(id="box"):
            yield Static(printable(question.title), id="question", markup=False)
            text = "\n".join(map(printable, question.lines))
            with VerticalScroll(id="lines", can_focus=False):
                yield Static(text, markup=False)
                yield Static(question.command, id="command", markup=False)
            if question.typed:
                yield Input(placeholder=f"type {question.typed} to go on", compact=True)
            with Horizontal(id="buttons"):
                yield Button("Cancel", id="no", compact=True)
                yield Button(question.verb, id="yes", compact=True)

    def action_answer(self, is_yes: bool) -> None:
        typed = self.query(Input)
        if is_yes and typed and typed.first().value.strip() != self._question.typed:
            typed.first().focus()
            return
        self.dismiss(is_yes)

    @on(Button.Pressed, "#yes")
    @on(Input.Submitted)
    def _confirmed(self) -> None:
        self.action_answer(True)

    @on(Button.Pressed, "#no")
    def _cancelled(self) -> None:
        self.action_answer(False)

    def on_resize(self, event: events.Resize) -> None:
        """Long lists are scrolled; the answers stay in sight."""
        typed = 2 if self._question.typed else 0
        most = max(1, event.size.height - _AROUND - typed)
        self.query_one("#lines").styles.max_height = most

    def action_scroll_list(self, lines: int) -> None:
        self.query_one("#lines", VerticalScroll).scroll_relative(y=lines, animate=False)

    def action_page_list(self, pages: int) -> None:
        self.action_scroll_list(pages * self.query_one("#lines").size.height)
