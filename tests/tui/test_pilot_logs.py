"""Logs under the dashboard's keys."""

import time
from typing import Any

import pytest

from hai.tui.screens.logs import LogsScreen
from hai.tui.widgets.logview import LogView
from tests.tui.conftest import Drive
from tests.tui.fake_server import FakeServer, log_lines


async def test_logs_follow_search_and_wrap(drive: Drive, fake_server: FakeServer) -> None:
    fake_server.log = [
        log_lines(*(f"step {n} loss={n / 100}" for n in range(300))),
        log_lines("x" * 1_000_000, rank=1),
        ("gap", {"rank": 1, "attempt": 1, "bytes": 4096}),
    ]
    async with drive("queue", size=(80, 24)) as driver:
        await driver.press("j", "l")
        await driver.sees("end: the task is running", "4,096 bytes of rank 1", "[1] xxx")
        assert fake_server.asked["rank"] == ["all"]
        await driver.press("/", *"loss=0", "enter")
        await driver.sees("100/100 matching", "step 99 loss=0.99")
        await driver.press("N")
        await driver.sees("99/100 matching")
        await driver.press("n", "n")
        await driver.sees("1/100 matching")
        await driver.press("escape", "G", "w")
        await driver.sees("wrap", "1,000,000 characters in all")
        await driver.press("t", "g")
        await driver.sees("17:46:40.000 [0] step 0")


async def test_enter_shows_the_match_that_is_nearest(
    drive: Drive, fake_server: FakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However much there is to search: a step of the search is made small here."""
    monkeypatch.setattr("hai.tui.logbuffer.STEP_CHARS", 500)
    fake_server.log = [log_lines(*(f"step {n}{' saved' * (n % 50 == 7)}" for n in range(400)))]
    async with drive("logs 102", size=(80, 24)) as driver:
        await driver.sees("end: the task is running")
        await driver.press("/", *"saved", "enter")
        await driver.sees("8/8 matching", "step 357 saved")
        await driver.press("escape", "g", "/", *"saved", "enter")
        await driver.sees("1/8 matching", "step 7 saved")


async def test_times_are_those_of_the_place(
    drive: Drive, fake_server: FakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TZ", "Asia/Shanghai")
    time.tzset()
    fake_server.log = [log_lines("hello")]
    async with drive("logs 102") as driver:
        await driver.press("t")
        await driver.sees("01:46:40.000 [0] hello")


async def test_the_log_is_read_anew_with_other_ranks_and_ranges(
    drive: Drive, fake_server: FakeServer
) -> None:
    fake_server.log = [log_lines("hello")]
    async with drive("queue") as driver:
        await driver.press("l")
        await driver.sees("hello")
        screen = driver.app.screen
        assert isinstance(screen, LogsScreen)
        assert fake_server.asked["tail"] == ["1000"]
        await driver.press("r", *"0,2-3", "enter")
        await driver.until(lambda: fake_server.asked["rank"] == ["0,2-3"])
        await driver.press("2")
        await driver.until(lambda: "since" in fake_server.asked)
        await driver.press("p")
        await driver.until(lambda: fake_server.asked.get("prev") == ["1"])
        assert screen.log_view.search is None  # what is typed there is not searched for
        await driver.press("r", *"nonsense", "enter")
        await driver.sees("names no ranks")


async def test_a_flood_of_lines_is_bounded(
    drive: Drive, fake_server: FakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(LogView, "lines_kept", 5000)
    fake_server.log = [
        log_lines(*(f"line {n}" for n in range(k, k + 500))) for k in range(0, 20_000, 500)
    ]
    async with drive("queue") as driver:
        await driver.press("l")
        screen = driver.app.screen
        assert isinstance(screen, LogsScreen)
        await driver.sees("end: the task is running", "line 19999")
        assert len(screen.log_view.buffer.lines) <= 5000
        await driver.press("g")
        await driver.sees("line 15")


@pytest.mark.parametrize("wraps", [False, True])
async def test_a_bar_is_redrawn_in_its_line(
    drive: Drive, fake_server: FakeServer, wraps: bool
) -> None:
    def part(text: str) -> tuple[str, Any]:
        name, data = log_lines(text)
        return name, {"lines": [{**one, "open": True} for one in data["lines"]]}

    fake_server.log = [log_lines("begin"), *(part(f"\r{n:3d}% loss={n}") for n in range(80))]
    async with drive("logs 102", size=(80, 24)) as driver:
        if wraps:
            await driver.press("w")
        await driver.sees("[0] begin", "[0]  79% loss=79", "end: the task is running")
        assert "78%" not in driver.text
        await driver.press("/", *"loss=7", "enter")
        await driver.sees("1 matching")
