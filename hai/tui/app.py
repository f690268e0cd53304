"""The dashboard: holds the model, keeps the feed running, carries out what belongs to no screen."""

import asyncio
import gc
import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple
from urllib.parse import urlsplit

from textual import events, on
from textual.binding import Binding, BindingType
from textual.command import Provider
from textual.message import Message
from textual.screen import Screen

from hai.client.http import HaiClient
from hai.errors import HaiError, InvalidInput
from hai.tui.actions import Mode
from hai.tui.bindings import keymap_of
from hai.tui.commands import completions, parse_command
from hai.tui.feed import FeedReader, MessageRelay, Reader, in_thread
from hai.tui.glyphs import Glyphs
from hai.tui.help import aliases_page, help_page
from hai.tui.model import Model
from hai.tui.palette import ActionCommands
from hai.tui.preferences import Preferences
from hai.tui.present import Context
from hai.tui.screens.cluster import ClusterScreen
from hai.tui.screens.events import EventsScreen
from hai.tui.screens.logs import LogsScreen
from hai.tui.screens.queue import QueueScreen
from hai.tui.screens.task import TaskScreen
from hai.tui.screens.text import TextScreen
from hai.tui.screens.users import UsersScreen
from hai.tui.screens.view import View
from hai.tui.terminal import TerminalMixin
from hai.tui.text import Build
from hai.tui.themes import ALL_THEMES, THEMES, painter
from hai.tui.totals import Totals
from hai.tui.widgets.prompt import Prompt

if TYPE_CHECKING:
    from hai.tui.dashboard import Dashboard

NOTICE_SECONDS = 6.0
_SHOW_SECONDS = 0.2  # at least, between two pictures of the model


@dataclass(frozen=True, slots=True)
class Opening:
    """How the dashboard is started. `clock` gives Unix seconds."""

    mode: Mode
    preferences: Preferences
    glyphs: Glyphs
    clock: Callable[[], float]
    theme: str = "hai-dark"
    view: str = "cluster"
    environ: Mapping[str, str] = field(default_factory=dict)


class _Notice(NamedTuple):
    """Shown until then, by the app's clock."""

    text: str
    role: str
    until: float


class HaiTop(TerminalMixin):
    """`model` is what is known; screens draw it."""

    class ModelChanged(Message):
        """There is news in the model; many of them are one."""

        def can_replace(self, message: Message) -> bool:
            return isinstance(message, HaiTop.ModelChanged)

    CSS = "Screen { background: $background; color: $foreground; }"
    COMMANDS: ClassVar[set[type[Provider] | Callable[[], type[Provider]]]] = {ActionCommands}
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+c", "quit", "quit", show=False, priority=True)
    ]

    def __init__(self, client: HaiClient, start: Opening) -> None:
        super().__init__()
        self.client = client
        self.start = start
        self.mode = start.mode
        self.preferences = start.preferences
        self.glyphs = start.glyphs
        self.clock = start.clock
        self.server_name = urlsplit(client.url).netloc
        self.model = Model()
        self.history: dict[str, list[str]] = {}
        self.lost = ""
        self.failure: HaiError | None = None
        self.ended_by: signal.Signals | None = None
        self._totals = Totals.of(self.model)
        self._notice: _Notice | None = None
        self._relay = MessageRelay()
        self._reader: FeedReader | None = None
        self._is_due = False
        self._is_frozen = False
        for theme in THEMES.values():
            self.register_theme(theme)
        self.painter = painter(start.theme)
        self.theme = start.theme
        self.set_keymap(keymap_of(self.preferences.keys))

    # what screens ask for

    @property
    def environ(self) -> Mapping[str, str]:
        return self.start.environ

    @property
    def server_url(self) -> str:
        return self.client.url

    @property
    def has_colour(self) -> bool:
        return self.theme != "hai-mono"

    @property
    def totals(self) -> Totals:
        """Sums over the model, made once for each of its versions."""
        if self._totals.version != self.model.version:
            self._totals = Totals.of(self.model)
        return self._totals

    def server_now(self) -> float:
        return self.clock() + self.model.skew

    def context(self) -> Context:
        return Context(
            self.server_now(),
            self.model.user,
            self.glyphs,
            self.totals.holders,
            self.model.usage,
            self.model.use_of,
        )

    async def call(self, name: str, /, **more: Any) -> Any:
        """The answer of a route (hai.client.routes); HaiError."""
        return await in_thread(lambda: self.client.call(name, **more))

    @property
    def notice(self) -> tuple[str, str] | None:
        if self._notice is None or self.clock() > self._notice.until:
            return None
        return self._notice.text, self._notice.role

    def say(self, text: str, role: str = "") -> None:
        """One line in place of the keys, for some seconds."""
        self._notice = _Notice(text, role, self.clock() + NOTICE_SECONDS)
        self._renew()

    def tell(self, error: HaiError) -> None:
        self.say(f"{error.message}{' - ' + error.hint if error.hint else ''}", "bad")

    # life

    def on_load(self) -> None:
        """Before the terminal is taken over: who ends us from outside gets it back as it was."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, self._end_by, number)

    def _end_by(self, number: signal.Signals) -> None:
        asyncio.get_running_loop().remove_signal_handler(number)  # a second one ends us at once
        self.ended_by = number
        self.exit()

    def on_mount(self) -> None:
        self.run_command(self.start.view)
        if self._reader is None:
            self.connect()
        self._relay.connect(self.post_message)
        self.set_interval(1.0, self._tick)

    def connect(self) -> None:
        """Begin to read, anew if it was begun already; may come before the screen is there."""
        if self._reader is not None:
            self._reader.stop()
        self._reader = FeedReader(self.client, self._relay)
        self._reader.start()

    def on_unmount(self) -> None:
        if self._reader is not None:
            self._reader.stop()
        self.end_forwards()

    @on(FeedReader.Arrived)
    def _arrived(self, message: FeedReader.Arrived) -> None:
        self.lost, self.failure = "", None
        self.model.apply(message.piece, self.clock())
        if self.model.complete and not self._is_frozen:
            self._is_frozen = True
            gc.collect()
            gc.freeze()  # what stays for hours is not looked at by every collection
        self.post_message(self.ModelChanged())

    @on(FeedReader.ConnectionChanged)
    def _connection_changed(self, message: FeedReader.ConnectionChanged) -> None:
        self.lost = message.why
        self._renew()

    @on(Reader.Refused)
    def _refused(self, message: Reader.Refused) -> None:
        """Nothing will come any more: leave with the reason, or keep what is there in sight."""
        self.failure = message.error
        if self.model.received_at is None:
            self.exit()
        else:
            self.tell(self.failure)

    @on(ModelChanged)
    def _model_changed(self) -> None:
        if self._is_due or not self.is_running:
            return
        self._is_due = True
        if self.model.version <= 1:  # the first picture is not kept waiting
            self._show()
        else:
            self.set_timer(_SHOW_SECONDS, self._show)

    def _show(self) -> None:
        self._is_due = False
        if (view := self.current_view) is not None:
            view.show_model()
        self._renew()

    def _tick(self) -> None:
        if (view := self.current_view) is not None:
            view.tick()

    def _renew(self) -> None:
        if (view := self.current_view) is not None:
            view.renew()

    def watch_theme(self, theme: str) -> None:
        self.painter = painter(theme)
        self.refresh()

    @property
    def current_view(self) -> View | None:
        """The one in sight. None below a question, and at the very end: messages that were on their
        way are still handled when all screens are gone."""
        stack = self.screen_stack
        return stack[-1] if stack and isinstance(stack[-1], View) else None

    # keys

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """What the app does for a screen, that screen must have; and keys are the prompt's."""
        view = self.current_view
        return view is None or view.check_action(action, parameters)

    async def on_key(self, event: events.Key) -> None:
        """A key that was on its way to the table when the prompt opened belongs to the prompt."""
        if not isinstance(self.focused, Prompt):
            return
        if event.is_printable and event.character:
            event.prevent_default()
            self.focused.insert_text_at_cursor(event.character)
        elif event.key == "enter":
            event.prevent_default()
            await self.focused.action_submit()

    # going somewhere

    def go(self, name: str, filter: str = "") -> None:
        """To one of the four screens at the root."""
        kinds: dict[str, Callable[[Dashboard, str], View]] = {
            "queue": QueueScreen,
            "cluster": ClusterScreen,
            "users": UsersScreen,
            "events": EventsScreen,
        }
        while len(self.screen_stack) > 2:
            self.pop_screen()
        screen = kinds[name](self, filter)
        if len(self.screen_stack) > 1:
            self.switch_screen(screen)
        else:
            self._enter(screen)

    def _enter(self, screen: Screen[None]) -> None:
        if self.is_running:  # else the answer to a request came after the end
            self.push_screen(screen)

    def open_task(self, task_id: int, *, asks_why: bool = False) -> None:
        self._enter(TaskScreen(self, task_id, asks_why=asks_why))

    def open_logs(self, task_id: int, *, previous: bool = False) -> None:
        self._enter(LogsScreen(self, task_id, previous=previous))

    def open_text(self, title: str, build: Build, cli_equivalent: str) -> None:
        self._enter(TextScreen(self, title, build, cli_equivalent))

    def run_command(self, text: str) -> None:
        """Carry out what was typed after `:`."""
        try:
            command = parse_command(text)
        except InvalidInput as error:
            self.tell(error)
            return
        match command.name:
            case "quit":
                self.exit()
            case "task":
                self.open_task(int(command.argument))
            case "logs":
                self.open_logs(int(command.argument))
            case "why":
                self.open_task(int(command.argument), asks_why=True)
            case "theme":
                self._choose_theme(command.argument)
            case "help":
                self.action_help()
            case name:
                self.go(name, command.argument)

    def _choose_theme(self, name: str) -> None:
        if name in ALL_THEMES:
            self.theme = name
        else:
            self.say(f"there is no theme {name!r}; Tab lists them" if name else
                     f"the theme is {self.theme}; Tab lists others", "warn")  # fmt: skip

    # actions of the app

    def action_view(self, digit: str) -> None:
        text = self.preferences.views.get(digit)
        if text is None:
            self.say(f"there is no view {digit}: top.toml can have it under [views]", "warn")
        else:
            self.run_command(text)

    def action_command(self) -> None:
        if (view := self.current_view) is not None:
            label = f"command, Tab completes; this screen is: {view.cli_equivalent()}"
            themes = list(ALL_THEMES)
            view.ask(
                "command",
                label,
                self.run_command,
                complete=lambda text: completions(text, self.model.tasks, themes),
            )

    def action_help(self) -> None:
        view = self.current_view.view if self.current_view is not None else "queue"
        mode, keys = self.mode, self.preferences.keys
        self.open_text(
            f"keys of {view}", lambda width: help_page(view, mode, keys, width), "hai-cli help"
        )

    def action_aliases(self) -> None:
        self.open_text(
            "commands", lambda width: aliases_page(self.preferences, width), "hai-cli help"
        )

    def action_refresh(self) -> None:
        self.connect()
        self.say("reading everything again")
