"""The dashboard driven by its own keys, on a frozen cluster."""

import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import pytest
from textual.message import Message
from textual.pilot import Pilot

from hai.client.http import HaiClient
from hai.client.profile import Profile
from hai.tui.actions import Mode
from hai.tui.app import HaiTop, Opening
from hai.tui.glyphs import UNICODE
from hai.tui.preferences import Preferences
from tests.tui.fake_server import NOW, FakeServer
from tests.waiting import async_wait_until

SIZES = ((80, 24), (120, 40))


@pytest.fixture(autouse=True)
def _utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Times of day look the same everywhere."""
    monkeypatch.setenv("TZ", "UTC")
    monkeypatch.delenv("NO_COLOR", raising=False)
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.fixture
def fake_server() -> Iterator[FakeServer]:
    found = FakeServer()
    yield found
    found.close()


@dataclass
class Driver:
    """A running dashboard and what can be seen of it."""

    app: HaiTop
    pilot: Pilot[None]
    messages: list[Message] = field(default_factory=list)

    @property
    def text(self) -> str:
        """The screen as lines of text."""
        strips = self.app.screen._compositor.render_strips()
        return "\n".join("".join(segment.text for segment in strip).rstrip() for strip in strips)

    async def press(self, *keys: str) -> None:
        await self.pilot.press(*keys)
        await self.pilot.pause()

    async def sees(self, *texts: str) -> None:
        """Waits until all of these are on the screen."""
        for text in texts:
            await self.until(partial(self._has, text), f"{text!r}")

    def _has(self, text: str) -> bool:
        return text in self.text

    async def misses(self, text: str) -> None:
        await self.until(lambda: text not in self.text, f"{text!r} gone")

    async def until(self, condition: Callable[[], object], what: str = "the condition") -> None:
        async def met() -> object:
            await self.pilot.pause()
            return condition()

        try:
            await async_wait_until(met, what=what)
        except AssertionError as error:
            raise AssertionError(f"{error}; the screen:\n{self.text}") from None

    def heard(self, kind: type[Message]) -> list[Message]:
        """Messages of a kind in the order in which they came, each once however far it went."""
        found = {id(message): message for message in self.messages if isinstance(message, kind)}
        return list(found.values())


Drive = Callable[..., AbstractAsyncContextManager[Driver]]


@pytest.fixture
def drive(fake_server: FakeServer) -> Drive:
    """Starts the dashboard on the fake server and waits until it has its data."""

    @asynccontextmanager
    async def start(
        view: str = "queue",
        *,
        size: tuple[int, int] = (120, 40),
        mode: Mode = Mode(),  # noqa: B008 - immutable
        preferences: Preferences = Preferences(),  # noqa: B008 - immutable
        waits: bool = True,
        **more: Any,
    ) -> AsyncIterator[Driver]:
        client = HaiClient(Profile(url=fake_server.url, token="hai_secret-token"))  # noqa: S106
        begin = Opening(
            mode, preferences, more.pop("glyphs", UNICODE), lambda: NOW, view=view, **more
        )
        app = HaiTop(client, begin)
        app.server_name = "hai.example:7420"  # its port differs each time
        messages: list[Message] = []
        async with app.run_test(size=size, message_hook=messages.append) as pilot:
            driver = Driver(app, pilot, messages)
            if waits:
                await driver.until(lambda: app.model.complete, "the first data")
                await pilot.pause()
            yield driver
        client.close()

    return start
