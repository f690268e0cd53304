from typing import Any

import pytest

from hai.cli.follow import FollowedEnding, Follower, end_line, state_line
from hai.client.events import ServerEvent
from tests.unit.cli.peer import task_view


class Seen:
    def __init__(self) -> None:
        self.lines: list[str] = []
        self.said: list[str] = []
        self.flushed = 0

    def follower(self) -> Follower:
        return Follower(
            line=lambda line: self.lines.append(line["text"]),
            flush=self._flush,
            say=self.said.append,
        )

    def _flush(self) -> None:
        self.flushed += 1


def lines(*texts: str) -> ServerEvent:
    return ServerEvent("lines", {"lines": [{"text": text, "rank": 0} for text in texts]}, "7")


def state(name: str, **values: Any) -> ServerEvent:
    return ServerEvent("state", task_view(state=name, **values))


WAITS = {"code": "no_free_nodes", "text": "2 nodes are needed, 1 is free", "evidence": {}}


def test_a_life_with_a_suspension_in_it() -> None:
    seen = Seen()
    ending = seen.follower().run(
        [
            state("queued", reason=WAITS, assigned_nodes=[]),
            state("running"),
            lines("one", "two"),
            state("suspending", why="bob's task 13 has priority"),
            state("suspended", why="bob's task 13 has priority", reason=WAITS),
            state("running", attempts=2),
            lines("three"),
            ServerEvent("end", {"state": "succeeded", "exit_code": 0, "why": ""}),
            lines("never"),
        ]
    )
    assert seen.lines == ["one", "two", "three"]
    assert seen.flushed == 2
    assert seen.said == [
        "task 12 queued: 2 nodes are needed, 1 is free",
        "task 12 running on n1, n2",
        "task 12 suspending: bob's task 13 has priority",
        "task 12 suspended: bob's task 13 has priority; 2 nodes are needed, 1 is free",
        "task 12 running on n1, n2 (attempt 2)",
    ]
    assert ending == FollowedEnding("succeeded", 0, "")


def test_a_repeated_state_is_told_once() -> None:
    seen = Seen()
    assert seen.follower().run([state("running"), state("running")]) is None
    assert seen.said == ["task 12 running on n1, n2"]


def test_a_countdown_is_no_news() -> None:
    seen = Seen()
    waits = [{**WAITS, "text": f"is tried again in {left}"} for left in ("3 h 5 min", "9 s", "4 s")]
    seen.follower().run([state("suspended", why="", reason=reason) for reason in waits])
    assert seen.said == ["task 12 suspended: is tried again in 3 h 5 min"]


def test_final_states_are_left_to_the_end() -> None:
    assert state_line(task_view(state="failed")) == ""


def test_events_of_a_newer_server_are_passed_over() -> None:
    seen = Seen()
    assert seen.follower().take(ServerEvent("sparkle", {"x": 1})) is None


def test_gaps_are_told() -> None:
    seen = Seen()
    seen.follower().take(ServerEvent("gap", {"rank": 0, "attempt": 1, "bytes": 4096}))
    assert "4096 bytes" in seen.said[0]


def test_many_nodes_are_not_all_named() -> None:
    nodes = [f"n{i}" for i in range(64)]
    assert state_line(task_view(assigned_nodes=nodes)).endswith("n0, n1, n2, n3 and 60 more")


@pytest.mark.parametrize(
    ("ending", "code"),
    [
        (FollowedEnding("succeeded", 0), 0),
        (FollowedEnding("failed", 3), 3),
        (FollowedEnding("failed", 137), 137),
        (FollowedEnding("failed", 0), 1),
        (FollowedEnding("failed", None), 1),
        (FollowedEnding("failed", 256), 1),
        (FollowedEnding("failed", -9), 1),
        (FollowedEnding("stopped", 143), 1),
        (FollowedEnding("running"), 0),
        (FollowedEnding(""), 0),
    ],
)
def test_exit_codes(ending: FollowedEnding, code: int) -> None:
    assert ending.code == code


def test_the_last_word() -> None:
    assert end_line(12, FollowedEnding("succeeded", 0)) == "task 12 succeeded"
    assert end_line(12, FollowedEnding("failed", 3, "rank 1 ended")) == (
        "task 12 failed with exit code 3: rank 1 ended"
    )
