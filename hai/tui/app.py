"""The dashboard: holds the model, keeps the feed running, carries out what belongs to no screen."""

import asyncio
import gc
import signal
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import urlsplit

from rich.text import Text
from textual.binding import Binding, BindingType
from textual.command import Provider

from hai.client.http import HaiClient
from hai.errors import HaiError, InvalidInput
from hai.tui.actions import Mode
from hai.tui.commands import completions, parse_command
from hai.tui.feed import FeedReader, Relay, in_thread
from hai.tui.glyphs import Glyphs
from hai.tui.help import aliases_page, help_page
from hai.tui.messages import Arrived, Connection, ModelChanged, Refused
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

NOTICE_SECONDS = 6.0
_SHOW_SECONDS = 0.2  # at least, between two pictures of the model


@dataclass(frozen=True, slots=True)
class Start:
    """How the dashboard is started. `clock` gives Unix seconds."""

    mode: Mode
    preferences: Preferences
    glyphs: Glyphs
    clock: Callable[[], float]
    theme: str = "hai-dark"
    view: str = "cluster"
    environ: Mapping[str, str] = field(default_factory=dict)


class HaiTop(TerminalMixin):
    """`model` is what is known; screens draw it."""

    CSS = "Screen { background: $background; color: $foreground; }"
    COMMANDS: ClassVar[set[type[Provider] | Callable[[], type[Provider]]]] = {ActionCommands}
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+c", "quit", "quit", show=False, priority=True)
    ]

    def __init__(self, client: HaiClient, start: Start) -> None:
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
        self._notice: tuple[str, str, float] | None = None
        self._relay = Relay()
        self._reader: FeedReader | None = None
        self._is_due = False
        self._is_frozen = False
        for theme in THEMES.values():
            self.register_theme(theme)
        self.painter = painter(start.theme)
        self.theme = start.theme

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
        if self._notice is None or self.clock() > self._notice[2]:
            return None
        return self._notice[:2]

    def say(self, text: str, role: str = "") -> None:
        """One line in place of the keys, for some seconds."""
        self._notice = (text, role, self.clock() + NOTICE_SECONDS)
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

    def _fatal_error(self) -> None:
        """A bug: its traceback without local variables, which may hold secrets."""
        self.panic(Text(traceback.format_exc()))

    def on_unmount(self) -> None:
        if self._reader is not None:
            self._reader.stop()
        self.end_forwards()

    def on_arrived(self, message: Arrived) -> None:
        self.lost, self.failure = "", None
        self.model.apply(message.piece, self.clock())
        if self.model.complete and not self._is_frozen:
            self._is_frozen = True
            gc.collect()
            gc.freeze()  # what stays for hours is not looked at by every collection
        self.post_message(ModelChanged())

    def on_connection(self, message: Connection) -> None:
        self.lost = message.why
        self._renew()

    def on_refused(self, message: Refused) -> None:
        """Nothing will come any more: leave with the reason, or keep what is there in sight."""
        self.failure = (
            message.error if isinstance(message.error, HaiError) else HaiError(str(message.error))
        )
        if self.model.received_at is None:
            self.exit()
        else:
            self.tell(self.failure)

    def on_model_changed(self) -> None:
        if self._is_due:
            return
        self._is_due = True
        if self.model.version <= 1:  # the first picture is not kept waiting
            self._show()
        else:
            self.set_timer(_SHOW_SECONDS, self._show)

    def _show(self) -> None:
        self._is_due = False
        if isinstance(self.screen, View):
            self.screen.show_model()
        self._renew()

    def _tick(self) -> None:
        if isinstance(self.screen, View):
            self.screen.tick()

    def _renew(self) -> None:
        if isinstance(self.screen, View):
            self.screen.renew()

    def watch_theme(self, theme: str) -> None:
        self.painter = painter(theme)
        self.refresh()

    # going somewhere

    def go(self, name: str, filter: str = "") -> None:
        """To one of the four screens at the root."""
        kinds: dict[str, Callable[[str], View]] = {
            "queue": QueueScreen,
            "cluster": ClusterScreen,
            "users": UsersScreen,
            "events": EventsScreen,
        }
        while len(self.screen_stack) > 2:
            self.pop_screen()
        screen = kinds[name](filter)
        if len(self.screen_stack) > 1:
            self.switch_screen(screen)
        else:
            self.push_screen(screen)

    def open_task(self, task_id: int, *, asks_why: bool = False) -> None:
        self.push_screen(TaskScreen(task_id, asks_why=asks_why))

    def open_logs(self, task_id: int, *, previous: bool = False) -> None:
        self.push_screen(LogsScreen(task_id, previous=previous))

    def open_text(self, title: str, build: Build, cli_equivalent: str) -> None:
        self.push_screen(TextScreen(title, build, cli_equivalent))

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
                self.do_help()
            case name:
                self.go(name, command.argument)

    def _choose_theme(self, name: str) -> None:
        if name in ALL_THEMES:
            self.theme = name
        else:
            self.say(f"there is no theme {name!r}; Tab lists them" if name else
                     f"the theme is {self.theme}; Tab lists others", "warn")  # fmt: skip

    # actions of the app

    def do_view(self, digit: str) -> None:
        text = self.preferences.views.get(digit)
        if text is None:
            self.say(f"there is no view {digit}: top.toml can have it under [views]", "warn")
        else:
            self.run_command(text)

    def do_command(self) -> None:
        screen = self.screen
        if isinstance(screen, View):
            label = f"command, Tab completes; this screen is: {screen.cli_equivalent()}"
            themes = list(ALL_THEMES)
            screen.ask(
                "command",
                label,
                self.run_command,
                complete=lambda text: completions(text, self.model.tasks, themes),
            )

    def do_help(self) -> None:
        view = self.screen.view if isinstance(self.screen, View) else "queue"
        mode, keys = self.mode, self.preferences.keys
        self.open_text(f"keys of {view}", lambda _: help_page(view, mode, keys), "hai-cli help")

    def do_aliases(self) -> None:
        self.open_text("commands", lambda _: aliases_page(self.preferences), "hai-cli help")

    def do_refresh(self) -> None:
        self.connect()
        self.say("reading everything again")


if TYPE_CHECKING:
    from hai.tui.dashboard import Dashboard

    def _is_what_screens_ask_for(app: HaiTop) -> Dashboard:
        return app
