"""What all screens share: header, title, keys, prompt. A key goes to the action of the table."""

from collections.abc import Callable
from typing import Any, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.screen import Screen

from hai.errors import InvalidInput
from hai.tui.actions import OURS, Action, actions_of
from hai.tui.bars import footer_line, header_line
from hai.tui.columns import shortened
from hai.tui.dashboard import Dashboard
from hai.tui.filters import Matcher, matcher
from hai.tui.text import Line
from hai.tui.widgets.lines import Lines
from hai.tui.widgets.prompt import Prompt
from hai.tui.widgets.status_lines import StatusLine


class View(Screen[None]):
    """`view` is its name in the table of actions, from which its BINDINGS are."""

    view: ClassVar[str] = ""
    AUTO_FOCUS = ""
    DEFAULT_CSS = "View { overflow: hidden; }"  # what a low terminal has no room for is not there

    def __init__(self, hai: Dashboard, filter: str = "") -> None:
        super().__init__()
        self.hai = hai
        self.actions = actions_of(self.view, hai.mode, hai.preferences.keys)
        self._withheld = OURS - {action.method for action in self.actions}
        self.filter = ""
        self.filter_error = ""
        self.filter_used = ""  # the last one that was whole: while one is typed it often is not
        self._take_filter(filter)
        self._answers: dict[str, Callable[[str], object]] = {}
        self.title_status = StatusLine(hai, self._head, id="title")

    def compose(self) -> ComposeResult:
        hai = self.hai
        yield StatusLine(hai, lambda width: [header_line(hai, width)], ground="strip", id="header")
        yield self.title_status
        yield from self.compose_main()
        yield Prompt(self.hai.history, id="prompt")
        yield StatusLine(self.hai, self._footer, ground="strip", id="footer")

    # for the ones that derive

    def compose_main(self) -> ComposeResult:
        raise NotImplementedError

    @property
    def main(self) -> Lines:
        """The widget that moves and has the focus."""
        raise NotImplementedError

    def title_line(self, width: int) -> Line:
        return [(f" {self.view}", "title")]

    def show_model(self) -> None:
        """The model has news, or the filter changed."""

    def cli_equivalent(self) -> str:
        """The command line that shows the same."""
        return "hai-cli list -a"

    def dumped(self) -> str:
        """What is shown, as text."""
        raise NotImplementedError

    # life

    def on_mount(self) -> None:
        self.set_focus(self.main)  # at once: Widget.focus() would take it from a prompt later
        self.show_model()

    def on_screen_resume(self) -> None:
        if self.is_mounted:
            if not self.is_asking:
                self.set_focus(self.main)
            self.show_model()
            self.renew()

    def renew(self) -> None:
        """The lines that change by themselves."""
        for strip in self.query(StatusLine):
            strip.renew()

    def tick(self) -> None:
        """A second has passed: ages are others."""
        self.main.refresh()
        self.renew()

    def _head(self, width: int) -> list[Line]:
        return [shortened(self.title_line(width), width, self.hai.glyphs.more)]

    def _footer(self, width: int) -> list[Line]:
        return [footer_line(self.hai, self.actions, width)]

    # keys

    @property
    def is_asking(self) -> bool:
        """Whether keys belong to the prompt."""
        return isinstance(self.focused, Prompt)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """The terminal library's question whether a key or the palette may do this now."""
        return action not in OURS or not (self.is_asking or action in self._withheld)

    async def perform(self, action: Action) -> None:
        """Carry an action out, wherever it belongs."""
        await self.app.run_action(action.call, self.main if action.target == "main" else self)

    def action_back(self) -> None:
        """Filter and marks first, then the screen; never out of the program."""
        if self.filter:
            self.set_filter("")
        elif len(self.app.screen_stack) > 2:
            self.app.pop_screen()

    def action_leave(self) -> None:
        if len(self.app.screen_stack) > 2:
            self.app.pop_screen()
        else:
            self.app.exit()

    def action_dump(self) -> None:
        self.hai.write_file(f"hai-top-{self.view}", self.dumped())

    def action_cli_equivalent(self) -> None:
        self.app.copy_to_clipboard(self.cli_equivalent())
        self.hai.say(f"{self.cli_equivalent()}   (copied)", "key")

    # the prompt

    @property
    def prompt(self) -> Prompt:
        return self.query_one("#prompt", Prompt)

    def ask(self, kind: str, label: str, answer: Callable[[str], object], **more: Any) -> None:
        """Let something be typed; `answer` gets it, nobody does after escape."""
        self._answers[kind] = answer
        self.prompt.ask(kind, label, **more)
        self.set_focus(self.prompt)  # at once: the next key may be on its way

    def action_filter(self) -> None:
        self.ask(
            "filter",
            "filter: regex   !regex   -f fuzzy   -l user=alice,state=running",
            self.set_filter,
            text=self.filter,
        )

    def set_filter(self, text: str) -> None:
        self._take_filter(text)
        self.show_model()
        self.renew()

    def _take_filter(self, text: str) -> None:
        """What is no filter (yet) is said, and changes nothing of what is shown."""
        self.filter, self.filter_error = text, ""
        try:
            matcher(text)
        except InvalidInput as error:
            self.filter_error = error.message
        else:
            self.filter_used = text

    def matcher(self) -> Matcher | None:
        """Of the filter in use; None when all is shown."""
        text = self.filter_used.replace("@me", self.hai.model.user)
        return matcher(text) if text.strip() else None

    @on(Prompt.Typed)
    def _typed(self, message: Prompt.Typed) -> None:
        if message.kind == "filter":
            self.set_filter(message.text)

    @on(Prompt.Entered)
    def _entered(self, message: Prompt.Entered) -> None:
        if self.focused is None:
            self.set_focus(self.main)
        answer = self._answers.pop(message.kind, None)
        if message.text is None:
            if message.kind == "filter":
                self.set_filter("")
        elif answer is not None:
            answer(message.text)
