"""What screens and widgets ask of the dashboard that they belong to, and nothing more."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from hai.client.http import HaiClient
from hai.errors import HaiError
from hai.tui.actions import Mode
from hai.tui.glyphs import Glyphs
from hai.tui.model import Model
from hai.tui.preferences import Preferences
from hai.tui.present import Context
from hai.tui.text import Build
from hai.tui.themes import Painter
from hai.tui.totals import Totals


class Look(Protocol):
    """How it is drawn: all that a widget needs to know."""

    glyphs: Glyphs
    painter: Painter

    @property
    def has_colour(self) -> bool: ...


class Dashboard(Look, Protocol):
    """`model` is what is known; `lost` is why there is no connection, `failure` why nothing will
    come any more."""

    client: HaiClient
    mode: Mode
    preferences: Preferences
    clock: Callable[[], float]
    server_name: str
    model: Model
    history: dict[str, list[str]]
    lost: str
    failure: HaiError | None

    @property
    def environ(self) -> Mapping[str, str]: ...
    @property
    def totals(self) -> Totals: ...
    @property
    def notice(self) -> tuple[str, str] | None: ...

    def server_now(self) -> float: ...
    def context(self) -> Context: ...
    async def call(self, name: str, /, **more: Any) -> Any: ...

    def say(self, text: str, role: str = "") -> None: ...
    def tell(self, error: HaiError) -> None: ...

    def go(self, name: str, filter: str = "") -> None: ...
    def open_task(self, task_id: int, *, asks_why: bool = False) -> None: ...
    def open_logs(self, task_id: int, *, previous: bool = False) -> None: ...
    def open_text(self, title: str, build: Build, cli_equivalent: str) -> None: ...
    def run_command(self, text: str) -> None: ...

    def write_file(self, stem: str, text: str, *, suffix: str = "txt") -> None: ...
    def page_text(self, text: str) -> None: ...
    def cli(self, *words: str) -> list[str]: ...
    def run_cli(self, *words: str) -> None: ...
    def forward(self, task_id: int, ports: Sequence[str]) -> None: ...
