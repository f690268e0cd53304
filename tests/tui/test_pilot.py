"""The dashboard under its own keys: which messages go round, what is asked of the server."""

from typing import TYPE_CHECKING

import pytest
from textual.events import Key

from hai.errors import Unreachable
from hai.tui.actions import Mode
from hai.tui.app import HaiTop
from hai.tui.feed import FeedReader, Reader
from hai.tui.preferences import parse
from hai.tui.screens.cluster import ClusterScreen
from hai.tui.screens.queue import QueueScreen
from hai.tui.screens.task import TaskScreen
from hai.tui.widgets.lines import Lines
from hai.tui.widgets.prompt import Prompt
from hai.tui.widgets.table import Table
from tests.tui.conftest import Drive, Driver
from tests.tui.fake_server import FakeServer, at, event_row, piece, running, task_row, whole
from tests.unit.cli.peer import error

if TYPE_CHECKING:
    from textual.message import Message


def table(driver: Driver) -> Table:
    return driver.app.screen.query_one(Table)


def ids(driver: Driver) -> list[int]:
    return [row.id for row in table(driver).rows]


# the feed


async def test_pieces_arrive_as_messages_and_become_rows(
    drive: Drive, fake_server: FakeServer
) -> None:
    async with drive() as driver:
        assert len(driver.heard(FeedReader.Arrived)) == 1
        assert driver.heard(HaiTop.ModelChanged)
        assert ids(driver) == [101, 102, 104, 103, 105, 106, 107, 108, 109]
        fake_server.push(
            piece(tasks=[task_row(110, name="newcomer")], order={"training": [110, 105]})
        )
        await driver.until(lambda: 110 in ids(driver))
        assert len(driver.heard(FeedReader.Arrived)) == 2
        assert ids(driver).index(110) == 4
        fake_server.push(piece(gone=[110]))
        await driver.until(lambda: 110 not in ids(driver))


async def test_the_cursor_stays_on_its_task(drive: Drive, fake_server: FakeServer) -> None:
    async with drive() as driver:
        await driver.press("j", "j")
        assert table(driver).current.id == 104
        fake_server.push(piece(tasks=[running(99, "train-09", level="EXTREME_HIGH")]))
        await driver.until(lambda: 99 in ids(driver))
        assert ids(driver)[0] == 99
        assert table(driver).current.id == 104
        assert len(driver.heard(Lines.Moved)) == 2


async def test_a_lost_server_is_said_and_the_data_stays(
    drive: Drive, fake_server: FakeServer
) -> None:
    async with drive() as driver:
        fake_server.on(
            "GET", "/api/v1/dashboard/stream", error("unavailable", 503, "database down")
        )
        fake_server.hang_up()
        await driver.sees("no connection")
        assert len(ids(driver)) == 9
        assert driver.heard(FeedReader.ConnectionChanged)
        del fake_server.routes["GET", "/api/v1/dashboard/stream"]
        fake_server.first = [whole(tasks=[task_row(200, name="after-the-outage")])]
        await driver.until(lambda: ids(driver) == [200])
        await driver.sees("live", "after-the")


async def test_a_refused_token_ends_it_with_the_reason(
    drive: Drive, fake_server: FakeServer
) -> None:
    fake_server.on(
        "GET", "/api/v1/dashboard/stream", error("auth_required", 401, "the token is unknown")
    )
    async with drive(waits=False) as driver:
        await driver.until(lambda: driver.app.failure is not None)
        assert driver.heard(Reader.Refused)
    assert driver.app.failure is not None
    assert driver.app.failure.code == "auth_required"


async def test_a_token_that_is_revoked_meanwhile_is_told(
    drive: Drive, fake_server: FakeServer
) -> None:
    async with drive() as driver:
        fake_server.on(
            "GET", "/api/v1/dashboard/stream", error("auth_required", 401, "it was revoked")
        )
        fake_server.hang_up()
        await driver.sees("refused (ctrl-r tries again)", "it was revoked")
        assert len(ids(driver)) == 9
        del fake_server.routes["GET", "/api/v1/dashboard/stream"]
        await driver.press("ctrl+r")
        await driver.sees("live")


async def test_an_old_whole_set_stays_in_sight_until_the_new_one_is_complete(
    drive: Drive, fake_server: FakeServer
) -> None:
    async with drive() as driver:
        fake_server.push(whole(tasks=[task_row(300)], more=1, cursor=""))
        await driver.until(lambda: len(driver.heard(FeedReader.Arrived)) == 2)
        assert len(driver.app.model.tasks) == 9
        fake_server.push(piece(tasks=[task_row(301)]))
        await driver.until(lambda: ids(driver) == [300, 301])


# going about


async def test_digits_are_saved_views(drive: Drive) -> None:
    async with drive("cluster") as driver:
        assert isinstance(driver.app.screen, ClusterScreen)
        await driver.press("2")
        assert isinstance(driver.app.screen, QueueScreen)
        assert {row.user for row in table(driver).rows} == {"alice"}
        await driver.press("5")
        assert isinstance(driver.app.screen, ClusterScreen)
        await driver.press("9")
        await driver.sees("there is no view 9")


async def test_enter_goes_in_and_escape_comes_back_but_never_out(drive: Drive) -> None:
    async with drive() as driver:
        await driver.press("enter")
        assert isinstance(driver.app.screen, TaskScreen)
        await driver.sees("task 101", "gpt-7b", "WORKERS OF THE LAST ATTEMPT")
        await driver.press("escape", "escape", "escape")
        assert isinstance(driver.app.screen, QueueScreen)
        assert driver.app.is_running


async def test_a_command_is_completed_and_remembered(drive: Drive) -> None:
    async with drive() as driver:
        await driver.press(*":clu", "tab", "enter")
        assert isinstance(driver.app.screen, ClusterScreen)
        await driver.press(":")
        await driver.press("up")
        prompt = driver.app.screen.query_one(Prompt)
        await driver.until(lambda: prompt.value == "cluster")
        await driver.press("escape")
        await driver.press(*":nonsense", "enter")
        await driver.sees(":nonsense is no command")
        await driver.press(*":task 105", "enter")
        await driver.sees("gpt-13b")


@pytest.mark.parametrize(
    ("typed", "wanted"),
    [
        pytest.param("gpt", [101, 105], id="regex"),
        pytest.param("!gpt|ablation", [102, 104, 103, 108, 109], id="inverse"),
        pytest.param("-f gpt7", [101], id="fuzzy"),
        pytest.param("-l user=carol", [104, 103], id="label"),
        pytest.param("-l user=@me,state=queued", [106, 107], id="my own"),
    ],
)
async def test_filters_choose_rows(drive: Drive, typed: str, wanted: list[int]) -> None:
    async with drive() as driver:
        await driver.press("/", *typed)
        assert ids(driver) == wanted
        await driver.press("enter")
        await driver.sees(f"of 9  /{typed}")
        await driver.press("escape")
        assert len(ids(driver)) == 9


async def test_a_broken_filter_is_told_and_the_rows_stay(drive: Drive) -> None:
    async with drive() as driver:
        await driver.press("/", "(")
        await driver.sees("is no regular expression")
        assert len(ids(driver)) == 9


@pytest.mark.parametrize("view", ["queue", "cluster", "users", "events"])
@pytest.mark.parametrize("typed", ["(", "-l us"])
async def test_news_come_while_a_filter_is_half_typed(
    drive: Drive, fake_server: FakeServer, view: str, typed: str
) -> None:
    async with drive(view) as driver:
        await driver.press("/", *typed)
        fake_server.push(piece(tasks=[task_row(110)], events=[event_row(9, "task.submitted", 110)]))
        await driver.until(lambda: 110 in driver.app.model.tasks)
        await driver.press("enter", "t")
        await driver.sees(f"/{typed}", " is no ")


@pytest.mark.parametrize("view", ["queue", "cluster", "users", "events"])
async def test_a_broken_filter_to_begin_with_is_told(drive: Drive, view: str) -> None:
    async with drive(f"{view} (") as driver:
        await driver.sees("is no regular expression", "live")


async def test_capital_letters_sort_and_reverse(drive: Drive) -> None:
    async with drive() as driver:
        await driver.press("I")
        assert ids(driver) == sorted(ids(driver))
        await driver.press("I")
        assert ids(driver) == sorted(ids(driver), reverse=True)
        await driver.press("I")
        assert ids(driver)[0] == 101


async def test_every_key_of_help_is_the_registrys(drive: Drive) -> None:
    async with drive(size=(120, 60)) as driver:
        await driver.press("?")
        await driver.sees("keys of queue", "Stop it for good", "ctrl-d", "Saved views")
        await driver.press("q", "ctrl+a")
        await driver.sees("SAVED VIEWS", ":queue -l user=@me")


async def test_own_keys_replace_the_given_ones(drive: Drive) -> None:
    own = parse({"keys": {"describe": "D"}, "views": {"9": "users"}})
    async with drive(preferences=own) as driver:
        await driver.press("d")
        assert isinstance(driver.app.screen, QueueScreen)
        await driver.press("D")
        assert isinstance(driver.app.screen, TaskScreen)
        await driver.press("9")
        await driver.sees("QUOTA IN USE")


async def test_the_palette_finds_actions(drive: Drive) -> None:
    async with drive() as driver:
        await driver.press("ctrl+p", *"all about")
        await driver.sees("All about the task")
        await driver.press("enter", "enter")
        await driver.until(lambda: isinstance(driver.app.screen, TaskScreen))


@pytest.mark.parametrize("view", ["cluster", "queue", "users", "events", "task 102", "logs 102"])
async def test_a_tiny_terminal_still_shows_state_and_keys(drive: Drive, view: str) -> None:
    async with drive(view, size=(40, 10), mode=Mode(read_only=True)) as driver:
        await driver.sees("READ-ONLY", "live", "/ filter" if " 102" not in view else ": command")
        assert all(len(line) <= 40 for line in driver.text.splitlines())
        if view == "cluster":
            await driver.sees("BBBBBBAAC")
        if view == "queue":
            await driver.sees("STATE", "running")


# events, mouse, and the rest


async def test_events_come_live_and_lead_to_their_task(
    drive: Drive, fake_server: FakeServer
) -> None:
    async with drive("events") as driver:
        await driver.sees("node.drained", "power supply")
        late = {"id": 9, "at": at(0), "kind": "task.running", "actor": "gang", "task_id": 105,
                "user": "bob", "why": "", "data": {}}  # fmt: skip
        fake_server.push(piece(events=[late]))
        await driver.until(lambda: table(driver).rows[0]["id"] == 9)
        await driver.press("g", "enter")
        await driver.sees("task 105")


async def test_every_node_of_the_map_is_reached_by_keys(drive: Drive) -> None:
    async with drive("cluster") as driver:
        await driver.press(*["right"] * 6)
        await driver.sees(" train-06  busy", "task 102 'digits'")
        await driver.press("left", "enter")
        await driver.sees("task 101")
        await driver.press("q", "down", "right")
        await driver.sees(" cpu-03  free")


async def test_users_lead_to_their_tasks(drive: Drive) -> None:
    async with drive("users") as driver:
        assert [row.name for row in table(driver).rows] == ["bob", "alice", "carol"]
        await driver.press("enter")
        assert {row.user for row in table(driver).rows} == {"bob"}


async def test_a_click_chooses_and_a_second_one_opens(drive: Drive) -> None:
    async with drive() as driver:
        await driver.pilot.click(Table, offset=(5, 3))
        assert table(driver).cursor == 2
        await driver.pilot.click(Table, offset=(5, 3))
        await driver.until(lambda: isinstance(driver.app.screen, TaskScreen))
        assert driver.heard(Lines.Chosen)


async def test_the_token_is_nowhere_on_the_screen(drive: Drive) -> None:
    async with drive() as driver:
        for view in ("1", "5", "6", "7"):
            await driver.press(view)
            assert "secret-token" not in driver.text
        assert "secret-token" not in repr(driver.app.start)


async def test_keys_typed_ahead_of_the_prompt_are_its_own(drive: Drive) -> None:
    """Somebody fast, or a paste: the table may get keys that were meant for the prompt."""
    async with drive() as driver:
        await driver.press("/")
        for key in ("g", "p", "t"):
            driver.app.screen.query_one(Table).post_message(Key(key, key))
        driver.app.screen.query_one(Table).post_message(Key("enter", "\r"))
        await driver.until(lambda: ids(driver) == [101, 105])
        await driver.until(lambda: isinstance(driver.app.focused, Table))


async def test_a_prompt_that_opens_as_its_screen_comes_back_keeps_the_keys(drive: Drive) -> None:
    """Keys that come faster than screens change: q leaves a page, F asks for ports at once."""
    async with drive("task 102") as driver:
        await driver.sees("WORKERS OF THE LAST")
        await driver.press("y")
        await driver.sees("yaml of task 102")
        for key in ("q", "F"):
            driver.app.post_message(Key(key, key))
        await driver.sees("ports of task 102")
        await driver.press("9")
        prompt = driver.app.screen.query_one(Prompt)
        await driver.until(lambda: prompt.value == "9")
        assert driver.app.focused is prompt


@pytest.mark.parametrize("is_early", [True, False])
async def test_what_arrives_while_it_ends_is_no_fault(
    drive: Drive, fake_server: FakeServer, is_early: bool
) -> None:
    """Messages that were on their way are still handled when all screens are gone."""
    async with drive() as driver:
        app = driver.app
        late: list[Message] = [
            FeedReader.Arrived(piece(tasks=[task_row(110)])),
            HaiTop.ModelChanged(),
            FeedReader.ConnectionChanged("lost"),
            Reader.Refused(Unreachable("gone")),
        ]
        if is_early:
            for message in late:
                app.post_message(message)
        app.exit()
        if not is_early:
            for message in late:
                app.post_message(message)
    assert app.screen_stack == []
    app.say("and what a request says that was answered too late")
    app.tell(Unreachable("gone"))
    app._tick()
    app._show()
