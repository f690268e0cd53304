"""Acting from the dashboard: what is said before, asked of the server, and told afterwards."""

from pathlib import Path

import pytest

from hai.tui.actions import Mode
from hai.tui.screens.confirm import ConfirmScreen
from hai.tui.screens.queue import QueueScreen
from tests.tui.conftest import Drive
from tests.tui.fake_server import FakeServer, at, task_row, whole
from tests.unit.cli.peer import Reply, error, task_view


async def test_stop_says_what_it_does_and_asks(drive: Drive, fake_server: FakeServer) -> None:
    fake_server.on(
        "POST", "/api/v1/tasks/102/stop", Reply(body=task_view(id=102, state="stopping"))
    )
    async with drive() as driver:
        await driver.press("j", "ctrl+d")
        await driver.until(lambda: isinstance(driver.app.screen, ConfirmScreen))
        await driver.sees("Stop task 102 'digits' of alice?", "2 nodes", "hai-cli stop 102")
        await driver.press("escape")
        await driver.sees("nothing was changed")
        assert not [r for r in fake_server.requests if r.method == "POST"]
        await driver.press("ctrl+d")
        await driver.until(lambda: isinstance(driver.app.screen, ConfirmScreen))
        await driver.press("tab", "enter")
        await driver.sees("task 102 is told to stop")
        assert [r.path for r in fake_server.requests if r.method == "POST"] == [
            "/api/v1/tasks/102/stop"
        ]


async def test_kill_of_marks_wants_their_number(drive: Drive, fake_server: FakeServer) -> None:
    for number in (106, 107):
        reply = Reply(body=task_view(id=number, state="stopped"))
        fake_server.on("POST", f"/api/v1/tasks/{number}/stop", reply)
    async with drive() as driver:
        await driver.press(*"jjjjj", "space", "space")
        await driver.sees("2 marked")
        await driver.press("ctrl+k")
        await driver.until(lambda: isinstance(driver.app.screen, ConfirmScreen))
        await driver.press("enter")
        assert isinstance(driver.app.screen, ConfirmScreen)
        await driver.press("2", "enter")
        await driver.sees("2 tasks are told to stop")
        assert [r.path for r in fake_server.requests if r.method == "POST"] == [
            "/api/v1/tasks/106/stop",
            "/api/v1/tasks/107/stop",
        ]


async def test_a_refusal_of_one_task_is_none_of_the_others(
    drive: Drive, fake_server: FakeServer
) -> None:
    fake_server.on(
        "POST", "/api/v1/tasks/105/stop", error("denied", 403, "task 105 belongs to bob")
    )
    for number in (106, 107):
        reply = Reply(body=task_view(id=number, state="stopped"))
        fake_server.on("POST", f"/api/v1/tasks/{number}/stop", reply)
    async with drive() as driver:
        await driver.press(*"jjjj", "space", "space", "space", "ctrl+d")
        await driver.until(lambda: isinstance(driver.app.screen, ConfirmScreen))
        await driver.press("y")
        await driver.sees("2 of 3 tasks are told to stop; task 105 belongs to bob")


@pytest.mark.parametrize("size", [(80, 24), (40, 12)])
async def test_the_answers_stay_in_sight_under_a_long_list(
    drive: Drive, fake_server: FakeServer, size: tuple[int, int]
) -> None:
    tasks = [task_row(200 + n, name="n" * 90) for n in range(20)]
    fake_server.first = [whole(tasks=tasks, order={})]
    async with drive(size=size) as driver:
        await driver.press(*["space"] * 20, "ctrl+k")
        await driver.sees("Stop 20 tasks?", "task 200", "type 20", "Cancel             Stop")
        await driver.press(*["pagedown"] * 20)
        await driver.sees("219", "Cancel             Stop")


async def test_marks_ask_for_their_priorities_together(
    drive: Drive, fake_server: FakeServer
) -> None:
    for number in (105, 106):
        answer = {"starts_now": False, "text": f"task {number} would wait", "suspends": []}
        fake_server.on("POST", f"/api/v1/tasks/{number}/what-if", Reply(body=answer))
        fake_server.on("POST", f"/api/v1/tasks/{number}/priority", Reply(body=task_view(id=number)))
    async with drive() as driver:
        await driver.press(*"jjjj", "space", "space", "+")
        await driver.sees("Priority of 2 tasks?", "from HIGH to VERY_HIGH", "task 106 would wait")
        await driver.press("y")
        await driver.sees("2 tasks ask for another priority now")
        wanted = [r.body for r in fake_server.requests if r.path.endswith("/priority")]
        assert wanted == [{"priority": "VERY_HIGH"}, {"priority": "ABOVE_NORMAL"}]


async def test_z_suspends_what_runs_and_resumes_what_is_held(
    drive: Drive, fake_server: FakeServer
) -> None:
    fake_server.on(
        "POST", "/api/v1/tasks/102/suspend", Reply(body=task_view(id=102, state="suspending"))
    )
    fake_server.on(
        "POST", "/api/v1/tasks/108/resume", Reply(body=task_view(id=108, state="queued"))
    )
    async with drive() as driver:
        await driver.press("j", "z")
        await driver.sees("is told to save, then leaves 2 nodes")
        await driver.press("y")
        await driver.sees("task 102 is told to save and leave")
        await driver.press("G", "k", "z")
        await driver.sees("Resume task 108")
        await driver.press("y")
        await driver.sees("task 108 may run")


async def test_a_priority_shows_its_effect_before_it_is_changed(
    drive: Drive, fake_server: FakeServer
) -> None:
    victim = {"task_id": 102, "name": "digits", "user": "alice", "lost_seconds": 125.0}
    answer = {"starts_now": True, "text": "starts at once on 1 node", "suspends": [victim]}
    fake_server.on("POST", "/api/v1/tasks/106/what-if", Reply(body=answer))
    fake_server.on(
        "POST", "/api/v1/tasks/106/priority", Reply(body=task_view(id=106, priority="HIGH"))
    )
    async with drive() as driver:
        await driver.press(*"jjjjj", "e", *"HI", "tab", "enter")
        await driver.sees("starts at once on 1 node", "suspends task 102 digits of alice")
        assert not [r for r in fake_server.requests if r.path.endswith("/priority")]
        await driver.press("y")
        await driver.sees("task 106 asks for HIGH now")
        bodies = [r.body for r in fake_server.requests if r.method == "POST"]
        assert bodies == [{"priority": "HIGH"}, {"priority": "HIGH"}]


async def test_an_old_server_can_not_predict_and_that_is_said(
    drive: Drive, fake_server: FakeServer
) -> None:
    missing = error("not_found", 404, "POST /api/v1/tasks/106/what-if: Not Found")
    fake_server.on("POST", "/api/v1/tasks/106/what-if", missing)
    async with drive() as driver:
        await driver.press(*"jjjjj", "+")
        await driver.sees("this server is too old for that", "from NORMAL to ABOVE_NORMAL")


async def test_why_shows_the_answer_or_what_is_known(drive: Drive, fake_server: FakeServer) -> None:
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
    fake_server.on("GET", "/api/v1/tasks/105/why", Reply(body=answer))
    missing = error("not_found", 404, "GET /api/v1/tasks/106/why: Not Found")
    fake_server.on("GET", "/api/v1/tasks/106/why", missing)
    async with drive() as driver:
        await driver.press(*"jjjj", "w")
        await driver.sees("why task 105", "5 are free", "with -n 5", "may start")
        await driver.press("escape", "j", "w")
        await driver.sees("this server is too old", "number 2 in its line")
        await driver.press("q")
        await driver.press(*":why 105", "enter")
        await driver.sees("why task 105")
        await driver.press("q")
        await driver.sees("TIMELINE")


async def test_nodes_are_drained_and_taken_back(drive: Drive, fake_server: FakeServer) -> None:
    fake_server.on("POST", "/api/v1/nodes/cpu-00/drain", Reply(body={}))
    fake_server.on("POST", "/api/v1/nodes/train-13/resume", Reply(body={}))
    async with drive("cluster", size=(80, 24)) as driver:
        await driver.press("/", *"cpu-00", "enter", "r")
        await driver.press(*"noisy fan", "enter")
        await driver.sees(
            "Drain cpu-00?", "is told to save, leaves it, and goes on", "--why 'noisy fan'"
        )
        await driver.press("y")
        await driver.sees("cpu-00: drained")
        await driver.press("escape", "/", *"power", "enter", "r")
        await driver.sees("Take train-13 back?", "power supply")
        await driver.press("y")
        await driver.sees("train-13: takes tasks again")
        bodies = [r.body for r in fake_server.requests if r.method == "POST"]
        assert bodies == [{"why": "noisy fan"}, None]


async def test_only_admins_drain(drive: Drive, fake_server: FakeServer) -> None:
    fake_server.first = [whole(you={"name": "alice", "role": "user"})]
    async with drive("cluster") as driver:
        await driver.press("r")
        await driver.sees("only an admin may do that")


async def test_a_refusal_is_told_in_the_servers_words(
    drive: Drive, fake_server: FakeServer
) -> None:
    reply = error("denied", 403, "task 101 belongs to bob", "only its owner may")
    fake_server.on("POST", "/api/v1/tasks/101/stop", reply)
    async with drive() as driver:
        await driver.press("ctrl+d")
        await driver.until(lambda: isinstance(driver.app.screen, ConfirmScreen))
        await driver.press("y")
        await driver.sees("task 101 belongs to bob - only its owner may")


async def test_read_only_changes_nothing_and_says_so(drive: Drive, fake_server: FakeServer) -> None:
    async with drive(mode=Mode(read_only=True)) as driver:
        await driver.sees("READ-ONLY")
        await driver.press("ctrl+d", "z", "+", "ctrl+k", "e")
        assert isinstance(driver.app.screen, QueueScreen)
        assert not [r for r in fake_server.requests if r.method == "POST"]


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


async def test_what_this_machine_can_not_do_is_told(
    drive: Drive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    async with drive("logs 102", environ={"PAGER": 'less "'}) as driver:
        await driver.press("x")
        await driver.sees("cannot write task-102.log here")
        await driver.press("o")
        await driver.sees('PAGER=less ": no closing quotation')


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
