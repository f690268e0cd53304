"""The production planner as a policy of the simulator: the very code that the server runs.

It is told what the server's loop would tell it, and is asked for a plan when something changed or
the time has come that the state named. It knows no durations.
"""

from collections.abc import Iterable
from dataclasses import replace

from hai.core.lifecycle.claim_updates import back_in_line, leaving, running
from hai.core.node import Node
from hai.core.plan import Claim, Plan
from hai.core.planner import plan
from hai.core.policy import Policy
from hai.core.quota import EVERYONE, LEVELS, Quota, QuotaTable
from hai.core.simulation.jobs import Job
from hai.core.simulation.scheduler import Decision, Progress, Started
from hai.core.state import SchedulerState
from hai.core.types import GroupName, NodeName, Priority, TaskId, TaskState, UserName

POOL = GroupName("pool")


class TimeShare:
    """One group of alike nodes and quota without limit: what is measured is the sharing."""

    def __init__(self, nodes: int, gpus_per_node: int, policy: Policy) -> None:
        names = [NodeName(f"n{number:05d}") for number in range(nodes)]
        self._names = names
        self._numbers = {name: number for number, name in enumerate(names)}
        members = [Node(name, POOL, "simulated", gpus=gpus_per_node) for name in names]
        quotas = QuotaTable.of(Quota(EVERYONE, POOL, level, nodes) for level in LEVELS)
        self._state = SchedulerState(policy, members, quotas)
        self._claims: dict[TaskId, Claim] = {}
        self._progress: dict[TaskId, Progress] = {}

    def submit(self, progress: Progress, now: float) -> None:
        claim = _claim(progress.job)
        self._progress[claim.task_id] = progress
        self._put(claim)

    def finish(self, progress: Progress, now: float) -> None:
        task_id = _task_id(progress.job)
        del self._claims[task_id], self._progress[task_id]
        self._state.remove(task_id, now)

    def freed(self, progress: Progress, now: float) -> None:
        claim = self._claims[_task_id(progress.job)]
        self._put(back_in_line(claim, now, stopped_at=claim.suspended_at))

    def saved(self, progress: Progress, now: float) -> None:
        self._put(replace(self._claims[_task_id(progress.job)], saved_at=now))

    def decide(self, now: float) -> Decision:
        made = plan(self._state, now)
        if not made.decides:
            return Decision()
        self._book(made, now)
        progress = self._progress
        return Decision(
            [Started(progress[one.task_id], self._number(one.nodes)) for one in made.starts],
            [progress[one.task_id] for one in made.suspends],
            again=True,  # the server hears of its own decisions as well
        )

    def next_due(self) -> float | None:
        return self._state.next_due()

    def _book(self, made: Plan, now: float) -> None:
        for demotion in made.demotions:
            claim = self._claims[demotion.task_id]
            self._put(replace(claim, priority=demotion.priority))
        for suspend in made.suspends:
            self._put(leaving(self._claims[suspend.task_id], suspend.for_task, now))
        for start in made.starts:
            self._put(running(self._claims[start.task_id], start, now))

    def _put(self, claim: Claim) -> None:
        self._claims[claim.task_id] = claim
        self._state.put(claim)

    def _number(self, names: Iterable[NodeName]) -> tuple[int, ...]:
        return tuple(self._numbers[name] for name in names)


def _task_id(job: Job) -> TaskId:
    return TaskId(job.number + 1)


def _claim(job: Job) -> Claim:
    """A job without a user is a user of its own."""
    return Claim(
        task_id=_task_id(job),
        user=UserName(job.user or f"(user of job {job.id})"),
        group=POOL,
        nodes=job.nodes,
        priority=Priority.NORMAL if job.priority is None else job.priority,
        state=TaskState.QUEUED,
        submitted_at=job.submit_s,
    )
