"""The line where a filter, a command or a choice is typed: history, Tab completes."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from textual import events, on
from textual.message import Message
from textual.widgets import Input

if TYPE_CHECKING:
    from textual.widget import Widget

_KEPT = 50


class Prompt(Input):
    """Hidden until `ask`. Posts Typed while something is typed and Entered at the end."""

    DEFAULT_CSS = """
    Prompt { height: 1; border: none; padding: 0 1; background: $surface; }
    Prompt:focus { border: none; background: $surface; }
    """

    @dataclass
    class Typed(Message):
        """The text changed."""

        kind: str
        text: str

        def can_replace(self, message: Message) -> bool:
            return isinstance(message, Prompt.Typed)

    @dataclass
    class Entered(Message):
        """It was left: with a text, or (None) without."""

        kind: str
        text: str | None

    def __init__(self, history: dict[str, list[str]], *, id: str | None = None) -> None:
        super().__init__(id=id, compact=True, select_on_focus=False)
        self.display = False
        self.kind = ""
        self._history = history
        self._back = 0
        self._complete: Callable[[str], list[str]] = lambda _text: []
        self._offered: list[str] = []
        self._returns_to: Widget | None = None

    def ask(
        self,
        kind: str,
        label: str,
        *,
        text: str = "",
        complete: Callable[[str], list[str]] | None = None,
    ) -> None:
        """Open it for one answer. `kind` names what is asked for, and its history."""
        self.kind = kind
        if self.screen.focused is not self:
            self._returns_to = self.screen.focused
        self._back = 0
        self._offered = []
        self._complete = complete or (lambda _text: [])
        self.placeholder = label
        with self.prevent(Input.Changed):
            self.value = text
        self.display = True
        self.cursor_position = len(text)

    def _close(self, text: str | None) -> None:
        self.display = False
        self.screen.set_focus(self._returns_to)  # at once: the next key is not an answer any more
        if text:
            kept = self._history.setdefault(self.kind, [])
            if text in kept:
                kept.remove(text)
            kept.append(text)
            del kept[:-_KEPT]
        self.post_message(self.Entered(self.kind, text))

    @on(Input.Changed)
    def _tell(self, event: Input.Changed) -> None:
        event.stop()
        self.post_message(self.Typed(self.kind, event.value))

    async def action_submit(self) -> None:
        self._close(self.value)

    async def on_key(self, event: events.Key) -> None:
        if event.key in ("escape", "enter"):
            event.stop()
            event.prevent_default()
            self._close(self.value if event.key == "enter" else None)
        elif event.key in ("up", "down"):
            event.stop()
            event.prevent_default()
            self._recall(1 if event.key == "up" else -1)
        elif event.key == "tab":
            event.stop()
            event.prevent_default()
            self._offer()
        elif event.key != "shift+tab":
            self._offered = []

    def _recall(self, step: int) -> None:
        kept = self._history.get(self.kind, [])
        self._back = max(0, min(len(kept), self._back + step))
        self.value = kept[-self._back] if self._back else ""
        self.cursor_position = len(self.value)

    def _offer(self) -> None:
        """The next completion of what was typed."""
        if self.value in self._offered:
            place = self._offered.index(self.value) + 1
        else:
            self._offered = self._complete(self.value)
            place = 0
        if self._offered:
            self.value = self._offered[place % len(self._offered)]
            self.cursor_position = len(self.value)
