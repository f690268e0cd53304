"""Who may come in, for how long, and how fast they may guess."""

import pytest

from hai.studio.pages import STATIC, headers, login_page, static, terminal_page
from hai.studio.sessions import Limits, Sessions
from hai.studio.throttle import FREE_TRIES, LONGEST_WAIT_SECONDS, Throttle


class Time:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def time() -> Time:
    return Time()


def test_guessing_gets_slower(time: Time) -> None:
    throttle = Throttle(time)
    for _ in range(FREE_TRIES):
        assert throttle.wait_seconds("user a", "address b") == 0
        throttle.failed("user a", "address b")
    assert throttle.wait_seconds("user a") == 2
    assert throttle.wait_seconds("user z", "address b") == 2
    assert throttle.wait_seconds("user z") == 0
    time.now += 2
    assert throttle.wait_seconds("user a") == 0
    waits = []
    for _ in range(12):
        throttle.failed("user a")
        waits.append(throttle.wait_seconds("user a"))
    assert waits[:3] == [4, 8, 16]
    assert waits[-1] == LONGEST_WAIT_SECONDS
    throttle.passed("user a")
    assert throttle.wait_seconds("user a") == 0


def test_old_failures_are_forgotten(time: Time) -> None:
    throttle = Throttle(time)
    for _ in range(FREE_TRIES + 1):
        throttle.failed("user a")
    time.now += 1000
    throttle.failed("user a")
    assert throttle.wait_seconds("user a") == 0


def test_sessions_end_when_idle_or_old(time: Time) -> None:
    sessions = Sessions(Limits(idle_seconds=60, age_seconds=600), time)
    session = sessions.begin("alice", "t")
    assert session is not None
    assert sessions.find(session.id) is session
    assert sessions.find("") is None
    for _ in range(10):
        time.now += 55
        sessions.touch(session)
    assert sessions.find(session.id) is session
    time.now += 55
    sessions.touch(session)
    assert sessions.find(session.id) is None  # too old, however busy
    idle = sessions.begin("alice", "t")
    assert idle is not None
    time.now += 61
    assert sessions.find(idle.id) is None


def test_the_token_is_not_in_a_sessions_repr(time: Time) -> None:
    session = Sessions(Limits(), time).begin("alice", "hai_secret")
    assert "hai_secret" not in repr(session)


def test_there_is_a_most_of_sessions(time: Time) -> None:
    sessions = Sessions(Limits(sessions=2), time)
    assert sessions.begin("a", "t")
    second = sessions.begin("b", "t")
    assert second is not None
    assert sessions.begin("c", "t") is None
    sessions.end(second)
    assert sessions.begin("c", "t")


def test_pages_load_nothing_from_elsewhere() -> None:
    pages = login_page("oops <b>", 'a"b') + terminal_page("ws://h/ws")
    assert "oops &lt;b&gt;" in pages
    assert "https://" not in pages
    assert "http://" not in pages
    policy = headers("h:1")["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'")
    assert "script-src 'self';" in policy


@pytest.mark.parametrize("name", sorted(STATIC))
def test_files_of_the_pages_are_there(name: str) -> None:
    found = static(name)
    assert found is not None
    assert found[0]


@pytest.mark.parametrize("name", ["../main.py", "", "RobotoMono.ttf", "index.html"])
def test_no_other_file_is_served(name: str) -> None:
    assert static(name) is None
