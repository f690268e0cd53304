"""Services beside a program: started with it, steered, told, ended with it."""

import json
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from tests.acceptance.door_site import Site, door_settings
from tests.acceptance.person import Person
from tests.acceptance.tasks import SLEEPER, left_of, stopped
from tests.conftest import PostgresServer, forget_settings, public_directory
from tests.live import Live, free_port
from tests.waiting import wait_until

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(240)]

BOARD = "exec /usr/bin/python3 -u -m http.server -b 127.0.0.1 $HAI_SERVICE_PORT"


@pytest.fixture(scope="module")
def live(postgres_server: PostgresServer) -> Iterator[Live]:
    with (
        public_directory() as directory,
        postgres_server.database() as url,
        closing(Live(directory, url, settings=door_settings())) as found,
        pytest.MonkeyPatch.context() as patch,
    ):
        forget_settings(patch)
        found.bootstrap()
        found.start()
        yield found


@pytest.fixture
def person(live: Live) -> Person:
    return Person(live)


def submitted(live: Live, name: str, *services: dict[str, Any], **more: Any) -> int:
    live.script(name, SLEEPER)
    task = live.submit(name=name, services=list(services), **more)
    live.wait(task, "running")
    return task


def states(live: Live, task: int) -> dict[str, tuple[str, int | None, int]]:
    told = live.detail(task)["services"]
    return {one["name"]: (one["state"], one["exit_code"], one["starts"]) for one in told}


def become(live: Live, task: int, **wanted: tuple[str, int | None, int]) -> None:
    wait_until(
        lambda: {name: states(live, task)[name] for name in wanted} == wanted,
        what=f"{wanted}, and not {states(live, task)}",
    )


def test_a_board_beside_a_training(live: Live, person: Person) -> None:
    board = {"name": "board", "port": free_port(), "startup_script": BOARD}
    script = "echo $MARSV2_SERVICE_NAME && (exit 3)"
    ends = {"name": "ends", "type": "local", "startup_script": script}
    task = submitted(live, "board.sh", board, ends)
    become(live, task, board=("running", None, 1), ends=("ended", 3, 1))
    site = Site(live, task, "board")
    with site.visitor() as visitor:
        assert "board.sh" in visitor.get("/").text
        assert visitor.get("/board.sh").text == SLEEPER
        stop = person("dev", "services", "board.sh", "stop", "board", "-o", "json")
        assert stop.code == 0, stop.err
        assert [one["state"] for one in json.loads(stop.out)] == ["ended"]
        assert visitor.get("/").status_code in (502, 503)
        assert person("dev", "services", str(task), "start", "board").code == 0
        become(live, task, board=("running", None, 2))
        site.link()
        assert visitor.get("/").status_code == 200, "the same session"
    again = person("dev", "services", "board.sh", "restart", "board")
    assert again.code == 0, again.err
    become(live, task, board=("running", None, 3), ends=("ended", 3, 1))
    table = person("dev", "services", "board.sh").out
    assert "board" in table
    assert "running" in table
    assert "services:" in person("describe", "board.sh").out
    text = live.text(task)
    assert "[hai] ends: ends" in text
    assert "[hai] service ends has ended: exit code 3" in text
    stopped(live, task)
    assert left_of(live, task) == []
    assert states(live, task)["board"][0] == "ended"


def test_what_cannot_be_done_is_told(live: Live, person: Person) -> None:
    task = submitted(live, "bare.sh", {"name": "ssh"}, {"name": "web", "port": free_port()})
    assert states(live, task) == {"ssh": ("on call", None, 0), "web": ("program", None, 0)}
    assert person("dev", "services", "bare.sh", "start", "nothing").code == 3
    assert person("dev", "services", "bare.sh", "jump", "web").code == 2
    own = person("dev", "services", "bare.sh", "stop", "web")
    assert own.code == 1
    assert "no service web runs here as a program of its own" in own.err
    stopped(live, task)


def test_a_service_that_ignores_the_end_is_killed(live: Live, person: Person) -> None:
    script = "exec /usr/bin/python3 deaf.py"
    deaf = {"name": "deaf", "type": "local", "startup_script": script}
    live.script(
        "deaf.py",
        "import signal, time\nsignal.signal(15, signal.SIG_IGN)\nprint('deaf', flush=True)\n"
        "while True: time.sleep(1)\n",
    )
    task = submitted(live, "deaf.sh", deaf)
    wait_until(lambda: "[hai] deaf: deaf" in live.text(task), what="the service")
    done = person("dev", "services", "deaf.sh", "stop", "deaf", "-o", "json")
    assert done.code == 0, done.err
    assert json.loads(done.out)[0]["exit_code"] == 137
    stopped(live, task)


@pytest.mark.parametrize(
    ("services", "words"),
    [
        ([{"name": "Big", "port": 1}], "is no name of a service"),
        ([{"name": "a", "port": 1}, {"name": "a", "port": 2}], "two services have the name a"),
        ([{"name": "a", "port": 1}, {"name": "b", "port": 1}], "two services have the port 1"),
        ([{"name": "a"}], "needs a port"),
        ([{"name": "a", "type": "local", "port": 1}], "it has no port"),
        ([{"name": "jupyter", "port": 1}], "built in"),
        ([{"name": "a", "port": 1, "startup_script": "x; y"}], "one command"),
        ([{"name": "a", "port": 1, "rank": [1]}], "rank 0 alone"),
        ([{"name": "a", "type": "local", "startup_script": "x", "rank": [1]}], "no rank 1"),
    ],
)
def test_wrong_services_are_refused(live: Live, services: list[dict[str, Any]], words: str) -> None:
    with live.client() as client:
        reply = client.post("/tasks", json=live.task(name="wrong.sh", services=services))
    assert reply.status_code == 422
    assert words in reply.json()["message"]
