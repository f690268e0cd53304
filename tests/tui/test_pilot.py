"""The dashboard under its own keys: which messages go round, what is asked of the server."""

from pathlib import Path

import pytest

from hai.tui.actions import Mode
from hai.tui.messages import Arrived, Chosen, Connection, ModelChanged, Moved, Refused
from hai.tui.preferences import parse
from hai.tui.screens.cluster import ClusterScreen
from hai.tui.screens.confirm import ConfirmScreen
from hai.tui.screens.logs import LogsScreen
from hai.tui.screens.queue import QueueScreen
from hai.tui.screens.task import TaskScreen
from hai.tui.widgets.logview import LogView
from hai.tui.widgets.prompt import Prompt
from hai.tui.widgets.table import Table
from tests.tui.conftest import Drive, Driver
from tests.tui.scene import Scene, at, log_lines, piece, running, task_row, whole
from tests.unit.cli.peer import Reply, error, task_view


def table(driver: Driver) -> Table:
    return driver.app.screen.query_one(Table)


def ids(driver: Driver) -> list[int]:
    return [row.id for row in table(driver).rows]


# the feed


async def test_pieces_arrive_as_messages_and_become_rows(drive: Drive, scene: Scene) -> None:
    async with drive() as driver:
        assert len(driver.heard(Arrived)) == 1
        assert driver.heard(ModelChanged)
        assert ids(driver) == [101, 102, 104, 103, 105, 106, 107, 108, 109]
        scene.push(piece(tasks=[task_row(110, name="newcomer")], order={"training": [110, 105]}))
        await driver.until(lambda: 110 in ids(driver))
        assert len(driver.heard(Arrived)) == 2
        assert ids(driver).index(110) == 4
        scene.push(piece(gone=[110]))
        await driver.until(lambda: 110 not in ids(driver))


async def test_the_cursor_stays_on_its_task(drive: Drive, scene: Scene) -> None:
    async with drive() as driver:
        await driver.press("j", "j")
        assert table(driver).current.id == 104
        scene.push(piece(tasks=[running(99, "train-09", level="EXTREME_HIGH")]))
        await driver.until(lambda: 99 in ids(driver))
        assert ids(driver)[0] == 99
        assert table(driver).current.id == 104
        assert len(driver.heard(Moved)) == 2


async def test_a_lost_server_is_said_and_the_data_stays(drive: Drive, scene: Scene) -> None:
    async with drive() as driver:
        scene.on("GET", "/api/v1/dashboard/stream", error("unavailable", 503, "database down"))
        scene.hang_up()
        await driver.sees("no connection")
        assert len(ids(driver)) == 9
        assert [m.why for m in driver.heard(Connection) if isinstance(m, Connection)]
        del scene.routes["GET", "/api/v1/dashboard/stream"]
        scene.first = [whole(tasks=[task_row(200, name="after-the-outage")])]
        await driver.until(lambda: ids(driver) == [200])
        await driver.sees("live", "after-the")


async def test_a_refused_token_ends_it_with_the_reason(drive: Drive, scene: Scene) -> None:
    scene.on("GET", "/api/v1/dashboard/stream", error("auth_required", 401, "the token is unknown"))
    async with drive(waits=False) as driver:
        await driver.until(lambda: driver.app.failure is not None)
        assert driver.heard(Refused)
    assert driver.app.failure is not None
    assert driver.app.failure.code == "auth_required"


async def test_an_old_whole_set_stays_in_sight_until_the_new_one_is_complete(
    drive: Drive, scene: Scene
) -> None:
    async with drive() as driver:
        scene.push(whole(tasks=[task_row(300)], more=1, cursor=""))
        await driver.until(lambda: len(driver.heard(Arrived)) == 2)
        assert len(driver.app.model.tasks) == 9
        scene.push(piece(tasks=[task_row(301)]))
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


# changing things


async def test_stop_says_what_it_does_and_asks(drive: Drive, scene: Scene) -> None:
    scene.on("POST", "/api/v1/tasks/102/stop", Reply(body=task_view(id=102, state="stopping")))
    async with drive() as driver:
        await driver.press("j", "ctrl+d")
        await driver.until(lambda: isinstance(driver.app.screen, ConfirmScreen))
        await driver.sees("Stop task 102 'digits' of alice?", "2 nodes", "hai-cli stop 102")
        await driver.press("escape")
        await driver.sees("nothing was changed")
        assert not [r for r in scene.requests if r.method == "POST"]
        await driver.press("ctrl+d")
        await driver.until(lambda: isinstance(driver.app.screen, ConfirmScreen))
        await driver.press("tab", "enter")
        await driver.sees("task 102 is told to stop, now stopping")
        assert [r.path for r in scene.requests if r.method == "POST"] == ["/api/v1/tasks/102/stop"]


async def test_kill_of_marks_wants_their_number(drive: Drive, scene: Scene) -> None:
    for number in (106, 107):
        reply = Reply(body=task_view(id=number, state="stopped"))
        scene.on("POST", f"/api/v1/tasks/{number}/stop", reply)
    async with drive() as driver:
        await driver.press(*"jjjjj", "space", "space")
        await driver.sees("2 marked")
        await driver.press("ctrl+k")
        await driver.until(lambda: isinstance(driver.app.screen, ConfirmScreen))
        await driver.press("enter")
        assert isinstance(driver.app.screen, ConfirmScreen)
        await driver.press("2", "enter")
        await driver.sees("2 tasks: is told to stop")
        assert [r.path for r in scene.requests if r.method == "POST"] == [
            "/api/v1/tasks/106/stop",
            "/api/v1/tasks/107/stop",
        ]


async def test_z_suspends_what_runs_and_resumes_what_is_held(drive: Drive, scene: Scene) -> None:
    scene.on("POST", "/api/v1/tasks/102/suspend", Reply(body=task_view(id=102, state="suspending")))
    scene.on("POST", "/api/v1/tasks/108/resume", Reply(body=task_view(id=108, state="queued")))
    async with drive() as driver:
        await driver.press("j", "z")
        await driver.sees("is told to save, then leaves 2 nodes")
        await driver.press("y")
        await driver.sees("task 102 is told to save and leave, now suspending")
        await driver.press("G", "k", "z")
        await driver.sees("Resume task 108")
        await driver.press("y")
        await driver.sees("task 108 may run, now queued")


async def test_a_priority_shows_its_effect_before_it_is_changed(drive: Drive, scene: Scene) -> None:
    victim = {"task_id": 102, "name": "digits", "user": "alice", "lost_seconds": 125.0}
    answer = {"starts_now": True, "text": "starts at once on 1 node", "suspends": [victim]}
    scene.on("POST", "/api/v1/tasks/106/what-if", Reply(body=answer))
    scene.on("POST", "/api/v1/tasks/106/priority", Reply(body=task_view(id=106, priority="HIGH")))
    async with drive() as driver:
        await driver.press(*"jjjjj", "e", *"HI", "tab", "enter")
        await driver.sees("starts at once on 1 node", "suspends task 102 digits of alice")
        assert not [r for r in scene.requests if r.path.endswith("/priority")]
        await driver.press("y")
        await driver.sees("task 106 asks for HIGH now")
        bodies = [r.body for r in scene.requests if r.method == "POST"]
        assert bodies == [{"priority": "HIGH"}, {"priority": "HIGH"}]


async def test_an_old_server_can_not_predict_and_that_is_said(drive: Drive, scene: Scene) -> None:
    missing = error("not_found", 404, "POST /api/v1/tasks/106/what-if: Not Found")
    scene.on("POST", "/api/v1/tasks/106/what-if", missing)
    async with drive() as driver:
        await driver.press(*"jjjjj", "+")
        await driver.sees("this server is too old for that", "from NORMAL to ABOVE_NORMAL")


async def test_why_shows_the_answer_or_what_is_known(drive: Drive, scene: Scene) -> None:
    answer = {
        "task_id": 105,
        "state": "queued",
        "text": "task 105 waits for 8 nodes",
        "lines": ["5 are free"],
        "reason": None,
        "estimate": {"earliest": at(1300), "latest": at(2600), "basis": "slices"},
        "counterfactuals": [
            {"change": "nodes=5", "starts_now": True, "text": "with -n 5", "suspends": []}
        ],
    }
    scene.on("GET", "/api/v1/tasks/105/why", Reply(body=answer))
    missing = error("not_found", 404, "GET /api/v1/tasks/106/why: Not Found")
    scene.on("GET", "/api/v1/tasks/106/why", missing)
    async with drive() as driver:
        await driver.press(*"jjjj", "w")
        await driver.sees("why task 105", "5 are free", "with -n 5", "may start")
        await driver.press("escape", "j", "w")
        await driver.sees("this server is too old", "number 2 in its line")


async def test_nodes_are_drained_and_taken_back(drive: Drive, scene: Scene) -> None:
    scene.on("POST", "/api/v1/nodes/cpu-00/drain", Reply(body={}))
    scene.on("POST", "/api/v1/nodes/train-13/resume", Reply(body={}))
    async with drive("cluster", size=(80, 24)) as driver:
        await driver.press("/", *"cpu-00", "enter", "r")
        await driver.press(*"noisy fan", "enter")
        await driver.sees("Drain cpu-00?", "goes on there to its end")
        await driver.press("y")
        await driver.sees("cpu-00: drained")
        await driver.press("escape", "/", *"power", "enter", "r")
        await driver.sees("Take train-13 back?", "power supply")
        await driver.press("y")
        await driver.sees("train-13: takes tasks again")
        bodies = [r.body for r in scene.requests if r.method == "POST"]
        assert bodies == [{"why": "noisy fan"}, None]


async def test_only_admins_drain(drive: Drive, scene: Scene) -> None:
    scene.first = [whole(you={"name": "alice", "role": "user"})]
    async with drive("cluster") as driver:
        await driver.press("r")
        await driver.sees("only an admin may do that")


async def test_a_refusal_is_told_in_the_servers_words(drive: Drive, scene: Scene) -> None:
    reply = error("denied", 403, "task 101 belongs to bob", "only its owner may")
    scene.on("POST", "/api/v1/tasks/101/stop", reply)
    async with drive() as driver:
        await driver.press("ctrl+d")
        await driver.until(lambda: isinstance(driver.app.screen, ConfirmScreen))
        await driver.press("y")
        await driver.sees("task 101 belongs to bob - only its owner may")


async def test_read_only_changes_nothing_and_says_so(drive: Drive, scene: Scene) -> None:
    async with drive(mode=Mode(read_only=True)) as driver:
        await driver.sees("READ-ONLY")
        await driver.press("ctrl+d", "z", "+", "ctrl+k", "e")
        assert isinstance(driver.app.screen, QueueScreen)
        assert not [r for r in scene.requests if r.method == "POST"]


async def test_in_the_browser_no_file_is_written(
    drive: Drive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    async with drive(mode=Mode(in_browser=True)) as driver:
        await driver.press("x", "l", "s", "o", "x")
        await driver.sees("logs 101")
    assert list(tmp_path.iterdir()) == []


async def test_a_view_is_written_to_a_file(
    drive: Drive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    async with drive() as driver:
        await driver.press("x", "x")
        await driver.sees("hai-top-queue-2.txt")
    text = (tmp_path / "hai-top-queue.txt").read_text()
    assert text.splitlines()[0].split()[:3] == ["ID", "NAME", "USER"]
    assert "gpt-13b" in text


async def test_the_equivalent_command_is_shown_and_ids_are_copied(drive: Drive) -> None:
    async with drive("queue -l state=running") as driver:
        await driver.press("=")
        await driver.sees("hai-cli list -a --state running")
        assert driver.app.clipboard == "hai-cli list -a --state running"
        await driver.press("c")
        assert driver.app.clipboard == "101"


async def test_yaml_hides_what_looks_like_a_secret(drive: Drive) -> None:
    async with drive() as driver:
        await driver.press("j", "y")
        await driver.sees("yaml of task 102", "WANDB_TOKEN", "(hidden)", "LR")
        assert "hunter2" not in driver.text


# logs


async def test_logs_follow_search_and_wrap(drive: Drive, scene: Scene) -> None:
    scene.log = [
        log_lines(*(f"step {n} loss={n / 100}" for n in range(300))),
        log_lines("x" * 1_000_000, rank=1),
        ("gap", {"rank": 1, "attempt": 1, "bytes": 4096}),
    ]
    async with drive("queue", size=(80, 24)) as driver:
        await driver.press("j", "l")
        await driver.sees("end: the task is running", "4,096 bytes of rank 1", "[1] xxx")
        assert scene.asked["rank"] == ["all"]
        await driver.press("/", *"loss=0", "enter")
        await driver.sees("100/100 lines", "step 99 loss=0.99")
        await driver.press("N")
        await driver.sees("99/100 lines")
        await driver.press("n", "n")
        await driver.sees("1/100 lines")
        await driver.press("escape", "G", "w")
        await driver.sees("wrap", "1,000,000 characters in all")
        await driver.press("t", "g")
        await driver.sees("17:46:40Z [0] step 0")


async def test_the_log_is_read_anew_with_other_ranks_and_ranges(drive: Drive, scene: Scene) -> None:
    scene.log = [log_lines("hello")]
    async with drive("queue") as driver:
        await driver.press("l")
        await driver.sees("hello")
        assert scene.asked["tail"] == ["1000"]
        await driver.press("r", *"0,2-3", "enter")
        await driver.until(lambda: scene.asked["rank"] == ["0,2-3"])
        await driver.press("2")
        await driver.until(lambda: "since" in scene.asked)
        await driver.press("p")
        await driver.until(lambda: scene.asked.get("prev") == ["1"])
        await driver.press("r", *"nonsense", "enter")
        await driver.sees("names no ranks")
        assert isinstance(driver.app.screen, LogsScreen)


async def test_a_flood_of_lines_is_bounded(
    drive: Drive, scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(LogView, "lines_kept", 5000)
    scene.log = [
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


# events, mouse, and the rest


async def test_events_come_live_and_lead_to_their_task(drive: Drive, scene: Scene) -> None:
    async with drive("events") as driver:
        await driver.sees("node.drained", "power supply")
        late = {"id": 9, "at": at(0), "kind": "task.running", "actor": "gang", "task_id": 105,
                "user": "bob", "why": "", "data": {}}  # fmt: skip
        scene.push(piece(events=[late]))
        await driver.until(lambda: table(driver).rows[0]["id"] == 9)
        await driver.press("g", "enter")
        await driver.sees("task 105")


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
        assert driver.heard(Chosen)


async def test_the_token_is_nowhere_on_the_screen(drive: Drive) -> None:
    async with drive() as driver:
        for view in ("1", "5", "6", "7"):
            await driver.press(view)
            assert "secret-token" not in driver.text
        assert "secret-token" not in repr(driver.app.start)
