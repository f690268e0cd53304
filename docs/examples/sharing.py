"""The worked examples of docs/scheduling.md: small clusters under the scheduler of the server.

    .venv/bin/python docs/examples/sharing.py [NAME...]

Each line shows a time, the nodes (one letter each: whose task holds it, small while it leaves) and
what was decided.
"""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from hai.core.plan import Plan
from hai.core.policy import Policy
from hai.core.simulation.engine import Engine, Terms
from hai.core.simulation.jobs import Job, in_order
from hai.core.simulation.scheduler import Decision, Progress
from hai.core.simulation.timeshare import TimeShare
from hai.core.types import Priority, TaskId

MINUTE = 60.0
HOUR = 60 * MINUTE


@dataclass(frozen=True)
class Example:
    """`jobs`: (name, user, nodes, submitted at, seconds of work, priority)."""

    nodes: int
    jobs: Sequence[tuple[str, str, int, float, float, Priority]]


NORMAL, LOW, HIGH = Priority.NORMAL, Priority.LOW, Priority.HIGH
EXAMPLES = {
    "turns": Example(
        1,
        [
            ("A", "ada", 1, 0, 20 * MINUTE, NORMAL),
            ("B", "ada", 1, 0, 20 * MINUTE, NORMAL),
            ("C", "ada", 1, 0, 20 * MINUTE, NORMAL),
            ("X", "bob", 1, 5 * MINUTE, 20 * MINUTE, NORMAL),
        ],
    ),
    "slices": Example(
        4,
        [
            ("A", "ada", 4, 0, 70 * MINUTE, NORMAL),
            ("X", "bob", 4, 10 * MINUTE, 50 * MINUTE, NORMAL),
        ],
    ),
    "backfill": Example(
        4,
        [
            ("E", "eve", 2, 0, 20 * MINUTE, NORMAL),
            ("G", "ada", 4, 1 * MINUTE, 40 * MINUTE, NORMAL),
            ("X", "bob", 2, 2 * MINUTE, HOUR, NORMAL),
        ],
    ),
    "priority": Example(
        4,
        [
            ("A", "ada", 2, 0, HOUR, LOW),
            ("B", "ada", 2, 5 * MINUTE, HOUR, LOW),
            ("X", "bob", 2, 15 * MINUTE, 20 * MINUTE, HIGH),
        ],
    ),
}


class Told(TimeShare):
    """The production planner, with a note of what it decides."""

    def __init__(self, example: Example) -> None:
        super().__init__(example.nodes, 8, Policy())
        self.lines: list[str] = []
        self._nodes = ["."] * example.nodes
        self._said: list[str] = []
        self._names: dict[TaskId, str] = {}

    def submit(self, progress: Progress, now: float) -> None:
        super().submit(progress, now)
        job = progress.job
        self._names[TaskId(job.number + 1)] = job.id
        width = "1 node" if job.nodes == 1 else f"{job.nodes} nodes"
        level = "" if job.priority is NORMAL else f", {job.priority.name}" if job.priority else ""
        self._said.append(f"{job.user} submits {job.id} ({width}{level})")

    def finish(self, progress: Progress, now: float) -> None:
        super().finish(progress, now)
        self._forget(progress.job.id)
        self._said.append(f"{progress.job.id} is done")

    def freed(self, progress: Progress, now: float) -> None:
        super().freed(progress, now)
        self._forget(progress.job.id)

    def decide(self, now: float) -> Decision:
        decision = super().decide(now)
        if self._said:
            minutes, seconds = divmod(round(now), 60)
            clock = f"{minutes // 60}:{minutes % 60:02}:{seconds:02}"
            self.lines.append(f"{clock}  {''.join(self._nodes)}  {'; '.join(self._said)}")
            self._said = []
        return decision

    def _book(self, made: Plan, now: float) -> None:
        super()._book(made, now)
        for suspend in made.suspends:
            name = self._names[suspend.task_id]
            self._nodes = [one.lower() if one == name else one for one in self._nodes]
            self._said.append(f"{name} leaves for {self._names[suspend.for_task]}")
        for start in made.starts:
            name = self._names[start.task_id]
            for number in self._number(start.nodes):
                self._nodes[number] = name
            self._said.append(f"{name} starts" + (" as backfill" if start.backfill else ""))

    def _forget(self, name: str) -> None:
        self._nodes = ["." if one.upper() == name else one for one in self._nodes]


def timeline(example: Example) -> Iterator[str]:
    """What happens, line by line. A suspend takes 30 s."""
    jobs = in_order(
        Job(number=0, id=name, user=user, nodes=nodes, submit_s=at, duration_s=work, priority=level)
        for name, user, nodes, at, work, level in example.jobs
    )
    told = Told(example)
    Engine(jobs, example.nodes, told, Terms(suspend_cost_s=30.0)).run()
    yield from told.lines


def main(names: Sequence[str]) -> None:
    """Print the examples that are named, or all."""
    for name in names or EXAMPLES:
        print(f"{name}:")
        for line in timeline(EXAMPLES[name]):
            print(f"  {line}")


if __name__ == "__main__":
    main(sys.argv[1:])
