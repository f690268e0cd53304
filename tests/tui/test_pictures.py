"""One picture per state of each screen, on a small and on a larger terminal."""

import os
from collections.abc import Sequence

import pytest

from hai.tui.actions import Mode
from hai.tui.glyphs import ASCII
from tests.tui.conftest import SIZES, Drive
from tests.tui.fake_server import FakeServer, log_lines, whole
from tests.tui.pictures import check_picture
from tests.unit.cli.peer import Reply

UPDATE = os.environ.get("HAI_UPDATE_SNAPSHOTS") == "1"

STATES: list[tuple[str, str, Sequence[str], str]] = [
    ("cluster", "cluster", (), "nodes busy"),
    ("cluster-table", "cluster", ("t",), "power supply"),
    ("cluster-drain", "cluster", ("r", *"fan", "enter"), "Drain"),
    ("queue", "queue", (), "gpt-7b"),
    ("queue-filter", "queue", ("/", *"gpt"), "/gpt"),
    ("queue-marks", "queue", ("space", "j", "space"), "2 marked"),
    ("queue-help", "queue", ("?",), "keys of queue"),
    ("queue-stop", "queue", ("j", "ctrl+d"), "Stop task 102"),
    ("queue-command", "queue", (":",), "queue"),
    ("task", "task 102", (), "WORKERS OF THE LAST"),
    ("why", "queue", (*"jjjj", "w"), "why task 105"),
    ("logs", "logs 102", (), "end: the task"),
    ("logs-search", "logs 102", ("/", *"loss=0", "enter"), "59/59 matching"),
    ("logs-wrap", "logs 102", ("w", "t"), "wrap"),
    ("users", "users", (), "QUOTA IN USE"),
    ("events", "events", (), "task.suspending"),
]


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
@pytest.mark.parametrize(
    ("name", "view", "keys", "shown"), [pytest.param(*state, id=state[0]) for state in STATES]
)
async def test_screens_look_as_they_did(
    drive: Drive,
    fake_server: FakeServer,
    name: str,
    view: str,
    keys: Sequence[str],
    shown: str,
    size: tuple[int, int],
) -> None:
    fake_server.log = [
        log_lines(*(f"step {n} loss={1 - n / 100:.2f}" for n in range(60)), "y" * 200),
        log_lines("rank 1 says hello \x1b[31min red\x1b[0m\x07", rank=1, attempt=2),
    ]
    why = {
        "text": "task 105 waits for 8 nodes: 5 of 16 in training are free",
        "lines": ["task 101 of bob holds 6 nodes and is safe for 20 minutes"],
        "counterfactuals": [
            {"starts_now": True, "text": "with -n 5 it starts now", "suspends": []},
            {"starts_now": False, "text": "at EXTREME_HIGH",
             "suspends": [{"task_id": 102, "name": "digits", "user": "alice",
                           "lost_seconds": 30}]},
        ],
    }  # fmt: skip
    fake_server.on("GET", "/api/v1/tasks/105/why", Reply(body=why))
    async with drive(view, size=size) as driver:
        for key in keys:
            await driver.press(key)
        await driver.sees(shown)
        await driver.pilot.pause()
        check_picture(driver.app, f"{name}-{size[0]}x{size[1]}", update=UPDATE)


@pytest.mark.parametrize(
    ("name", "more"),
    [
        pytest.param("light", {"theme": "hai-light"}, id="light"),
        pytest.param("mono", {"theme": "hai-mono"}, id="mono"),
        pytest.param("ascii", {"theme": "hai-mono", "glyphs": ASCII}, id="ascii"),
        pytest.param("read-only", {"mode": Mode(read_only=True)}, id="read only"),
    ],
)
async def test_looks_that_can_be_chosen(drive: Drive, name: str, more: dict[str, object]) -> None:
    async with drive("cluster", size=(80, 24), **more) as driver:
        await driver.sees("train-00")
        check_picture(driver.app, f"look-{name}", update=UPDATE)
        if name == "ascii":
            assert driver.text.isascii()


async def test_an_empty_platform(drive: Drive, fake_server: FakeServer) -> None:
    fake_server.first = [whole(tasks=[], nodes=[], events=[], order={}, quotas=[], history={})]
    async with drive("cluster", size=(80, 24)) as driver:
        await driver.sees("live", "there are no nodes yet")
        check_picture(driver.app, "empty-cluster", update=UPDATE)
        await driver.press("1")
        await driver.sees("nothing here")
