"""Who may come in, for how long, and how fast they may guess."""

import pytest

from hai.studio.pages import STATIC, headers, login_page, static, terminal_page
from hai.studio.sessions import LoginSessions, SessionLimits
from hai.studio.throttle import (
    ADDRESS_FREE_TRIES,
    FREE_TRIES,
    LONGEST_WAIT_SECONDS,
    LoginThrottle,
)


class Time:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def time() -> Time:
    return Time()


def test_guessing_gets_slower(time: Time) -> None:
    throttle = LoginThrottle(time)
    for _ in range(FREE_TRIES):
        assert throttle.begin("a", "b") == 0
    assert throttle.begin("a", "b") == 2
    time.now += 2
    waits = []
    for _ in range(12):
        assert throttle.begin("a", "b") == 0
        waits.append(throttle.begin("a", "b"))
        time.now += waits[-1]
    assert waits[:3] == [4, 8, 16]
    assert waits[-1] == LONGEST_WAIT_SECONDS
    throttle.begin("a", "b")
    throttle.passed("a", "b")
    assert throttle.begin("a", "b") == 0


def test_guesses_elsewhere_lock_nobody_out(time: Time) -> None:
    throttle = LoginThrottle(time)
    for _ in range(200):
        throttle.begin("alice", "attacker")
    assert throttle.begin("alice", "home") == 0
    assert throttle.begin("bob", "attacker") == 0  # the address has tries left for others


def test_an_address_cannot_go_on_under_many_names(time: Time) -> None:
    throttle = LoginThrottle(time)
    tried = [throttle.begin(f"user-{n}", "attacker") for n in range(60)]
    assert tried.count(0) == ADDRESS_FREE_TRIES
    assert throttle.begin("alice", "home") == 0


def test_a_login_of_ones_own_wipes_out_no_guesses(time: Time) -> None:
    throttle = LoginThrottle(time)
    for n in range(ADDRESS_FREE_TRIES - 1):
        throttle.begin(f"user-{n}", "attacker")
    assert throttle.begin("mallory", "attacker") == 0
    throttle.passed("mallory", "attacker")
    assert throttle.begin("user-98", "attacker") == 0
    assert throttle.begin("user-99", "attacker") > 0


def test_a_try_that_nobody_could_judge_does_not_count(time: Time) -> None:
    throttle = LoginThrottle(time)
    for _ in range(50):
        assert throttle.begin("a", "b") == 0
        throttle.undecided("a", "b")


def test_old_failures_are_forgotten(time: Time) -> None:
    throttle = LoginThrottle(time)
    for _ in range(FREE_TRIES + 1):
        throttle.begin("a", "b")
    time.now += 1000
    assert throttle.begin("a", "b") == 0
    assert throttle.begin("a", "b") == 0


def test_one_users_sessions_cost_no_other_a_place(time: Time) -> None:
    sessions = LoginSessions(SessionLimits(sessions=6, user_sessions=4), time)
    mine = [sessions.begin("mallory", "t")[0] for _ in range(20)]
    assert len(sessions.of("mallory")) == 4
    assert mine[-1] in sessions.of("mallory")
    for user in ("a", "b", "c"):
        assert sessions.begin(user, "t")[0] is not None
    assert len(sessions.of("mallory")) == 3


def test_sessions_end_when_idle_or_old(time: Time) -> None:
    sessions = LoginSessions(SessionLimits(idle_seconds=60, age_seconds=600), time)
    session = sessions.begin("alice", "t")[0]
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
    idle = sessions.begin("alice", "t")[0]
    assert idle is not None
    time.now += 61
    assert sessions.find(idle.id) is None


def test_the_token_is_not_in_a_sessions_repr(time: Time) -> None:
    session = LoginSessions(SessionLimits(), time).begin("alice", "hai_secret")[0]
    assert "hai_secret" not in repr(session)


def test_there_is_a_most_of_sessions(time: Time) -> None:
    sessions = LoginSessions(SessionLimits(sessions=2), time)
    assert sessions.begin("a", "t")[0]
    second = sessions.begin("b", "t")[0]
    assert second is not None
    assert sessions.begin("c", "t") == (None, [])
    sessions.end(second)
    assert sessions.begin("c", "t")[0]


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
