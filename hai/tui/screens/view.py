"""What all screens share: header, title, keys, prompt. A key goes to the action of the table."""

from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar, cast

from textual import events
from textual.app import ComposeResult
from textual.screen import Screen

from hai.errors import InvalidInput
from hai.tui.actions import Action, actions_of, by_key
from hai.tui.bars import footer_line, header_line
from hai.tui.filters import Matcher, matcher
from hai.tui.messages import Entered, Typed
from hai.tui.text import Line
from hai.tui.widgets.lines import Lines
from hai.tui.widgets.prompt import Prompt
from hai.tui.widgets.status_lines import StatusLine

if TYPE_CHECKING:
    from hai.tui.dashboard import Dashboard


class View(Screen[None]):
    """`view` is its name in the table of actions."""

    view: ClassVar[str] = ""
    AUTO_FOCUS = ""
    DEFAULT_CSS = "View { overflow: hidden; }"  # what a low terminal has no room for is not there

    def __init__(self, filter: str = "") -> None:
        super().__init__()
        self.filter = ""
        self.filter_error = ""
        self.filter_used = ""  # the last one that was whole: while one is typed it often is not
        self._take_filter(filter)
        self._keys: dict[str, Action] = {}
        self._answers: dict[str, Callable[[str], object]] = {}
        self.title_status = StatusLine(lambda width: [self.title_line(width)], id="title")

    @property
    def hai(self) -> "Dashboard":
        return cast("Dashboard", self.app)

    def compose(self) -> ComposeResult:
        yield StatusLine(lambda width: [header_line(self.hai, width)], ground="strip", id="header")
        yield self.title_status
        yield from self.compose_main()
        yield Prompt(self.hai.history, id="prompt")
        yield StatusLine(self._footer, ground="strip", id="footer")

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
        actions = actions_of(self.view, self.hai.mode, self.hai.preferences.keys)
        self._keys = by_key(actions)
        self.main.focus()
        self.show_model()

    def on_screen_resume(self) -> None:
        if self.is_mounted and self._keys:
            self.main.focus()
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

    def _footer(self, width: int) -> list[Line]:
        actions = actions_of(self.view, self.hai.mode, self.hai.preferences.keys)
        return [footer_line(self.hai, actions, width)]

    # keys

    async def on_key(self, event: events.Key) -> None:
        if isinstance(self.focused, Prompt):
            await self._typed_ahead(event)
            return
        action = self._keys.get(event.key) or self._keys.get(event.character or "")
        if action is not None:
            event.stop()
            event.prevent_default()
            self.perform(action)

    async def _typed_ahead(self, event: events.Key) -> None:
        """A key that was on its way to the table when the prompt opened belongs to the prompt."""
        if event.is_printable and event.character:
            event.stop()
            self.prompt.insert_text_at_cursor(event.character)
        elif event.key == "enter":
            event.stop()
            await self.prompt.action_submit()

    def perform(self, action: Action) -> None:
        """Carry an action out, wherever it belongs."""
        if action.admin and not self.hai.model.is_admin:
            self.hai.say(f"only an admin may do that: {action.help.lower()}", "warn")
            return
        targets: dict[str, object] = {"app": self.app, "screen": self, "main": self.main}
        family = action.name.rpartition("_")[0] if action.argument else action.name
        method = getattr(targets[action.target], f"do_{family}", None)
        if method is None:
            raise AssertionError(f"{action.name} has no do_{family} in {self.view}")
        method(action.argument) if action.argument else method()

    def do_back(self) -> None:
        """Filter and marks first, then the screen; never out of the program."""
        if self.filter:
            self.set_filter("")
        elif len(self.app.screen_stack) > 2:
            self.app.pop_screen()

    def do_leave(self) -> None:
        if len(self.app.screen_stack) > 2:
            self.app.pop_screen()
        else:
            self.app.exit()

    def do_dump(self) -> None:
        self.hai.write_file(f"hai-top-{self.view}", self.dumped())

    def do_cli_equivalent(self) -> None:
        self.app.copy_to_clipboard(self.cli_equivalent())
        self.hai.say(f"{self.cli_equivalent()}   (copied)", "key")

    # the prompt

    @property
    def prompt(self) -> Prompt:
        return self.query_one("#prompt", Prompt)

    def ask(self, kind: str, label: str, answer: Callable[[str], object], **more: object) -> None:
        """Let something be typed; `answer` gets it, nobody does after escape."""
        self._answers[kind] = answer
        self.prompt.ask(kind, label, **more)  # type: ignore[arg-type]
        self.set_focus(self.prompt)  # at once: the next key may be on its way

    def do_filter(self) -> None:
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

    def on_typed(self, message: Typed) -> None:
        if message.kind == "filter":
            self.set_filter(message.text)

    def on_entered(self, message: Entered) -> None:
        self.main.focus()
        answer = self._answers.pop(message.kind, None)
        if message.text is None:
            if message.kind == "filter":
                self.set_filter("")
        elif answer is not None:
            answer(message.text)
