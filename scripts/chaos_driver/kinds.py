"""The kinds of tasks that keep the platform busy, and how each should end."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

LIMIT_SECONDS = 3  # of the tasks with --time
KILLED = ("failed", 137)
CANNOT_START = ("failed", 126)
STOPPED = ("stopped", None)
Outcome = tuple[str, int | None]  # state and exit code; None: whatever it is


@dataclass(frozen=True, slots=True)
class Kind:
    """How to ask for one kind of task."""

    mode: str
    steps: tuple[int, int]  # of 0.1 s each, at least and at most
    nodes: tuple[int, ...] = (1,)
    codes: tuple[int, ...] = (0,)
    levels: tuple[str, ...] = ("NORMAL",)
    options: Mapping[str, Any] = field(default_factory=dict)
    entrypoint: str = "work.py"
    outcome: Outcome | None = None  # when it is not that of the exit code
    weight: int = 1


_AGAIN = {"retry": {"max": 20, "backoff": "0.2s", "on": ["node_lost", 75]}}
KINDS: Mapping[str, Kind] = {
    "plain": Kind("plain", (1, 20), codes=(0, 0, 0, 1, 3), weight=4),
    "gang": Kind("plain", (5, 30), nodes=(2, 3), codes=(0, 0, 2), weight=3),
    "saver": Kind("saver", (20, 60), nodes=(1, 2), levels=("LOW",), weight=4),
    "term": Kind("term", (20, 50), levels=("LOW",), weight=2),
    "usr1": Kind(
        "usr1",
        (20, 50),
        levels=("LOW",),
        options={"suspend_signal": "SIGUSR1"},
        entrypoint="wrap.sh",
        weight=2,
    ),
    "stubborn": Kind("stubborn", (10, 30), levels=("LOW",)),
    "shell": Kind("plain", (5, 20), codes=(0, 4), entrypoint="wrap.sh", weight=2),
    "child": Kind("child", (5, 15), weight=2),
    "hidden": Kind("hidden", (5, 15)),
    "urgent": Kind("plain", (5, 15), nodes=(1, 2, 3), levels=("HIGH",), weight=4),
    "array": Kind("plain", (1, 8), options={"array": "0-3%2"}),
    "retry": Kind("tries", (5, 20), options=_AGAIN, outcome=("succeeded", 0), weight=2),
    "time": Kind(
        "plain", (6000, 6000), options={"time_limit": LIMIT_SECONDS}, outcome=("failed", 124)
    ),
}
