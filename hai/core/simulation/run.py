"""A trace through a scheduling policy on a virtual clock: the production planner, or one of the
reference policies that it is compared with. docs/simulator.md says what every figure means."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hai.core.policy import Policy
from hai.core.simulation.engine import Course, Engine, Terms
from hai.core.simulation.fifo import Fifo, FifoSkip
from hai.core.simulation.jobs import Job
from hai.core.simulation.measures import (
    by_gang,
    by_user,
    most_suspensions_within,
    summary,
    use_of_pool,
)
from hai.core.simulation.reference import Reference
from hai.core.simulation.scheduler import Scheduler
from hai.core.simulation.sjf import Sjf
from hai.core.simulation.srtf import Srtf
from hai.core.simulation.timeshare import TimeShare
from hai.core.simulation.tiresias import ROUND_S, Tiresias

TIMESHARE = "timeshare"
REFERENCES: Mapping[str, type[Reference]] = {
    "fifo": Fifo,
    "fifo-skip": FifoSkip,
    "sjf": Sjf,
    "srtf": Srtf,
    "tiresias": Tiresias,
}
POLICIES = (TIMESHARE, *REFERENCES)


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """What is simulated: `reference` names one of REFERENCES; None is the production planner with
    `knobs`. `tick_s` None is the policy's own: 60 s for tiresias, every event for all others."""

    nodes: int
    gpus_per_node: int = 8
    reference: str | None = None
    knobs: Policy = field(default_factory=Policy)
    suspend_cost_s: float = 30.0
    tick_s: float | None = None
    checkpoint_every_s: float | None = None

    @property
    def terms(self) -> Terms:
        """References suspend free of cost."""
        own_tick = ROUND_S if self.reference == "tiresias" else 0.0
        tick = own_tick if self.tick_s is None else self.tick_s
        if self.reference is not None:
            return Terms(suspend_cost_s=0.0, tick_s=tick)
        return Terms(
            suspend_cost_s=self.suspend_cost_s,
            tick_s=tick,
            checkpoint_every_s=self.checkpoint_every_s,
        )

    def scheduler(self) -> Scheduler:
        """A new one, with nothing in it."""
        if self.reference is not None:
            return REFERENCES[self.reference](self.nodes)
        return TimeShare(self.nodes, self.gpus_per_node, self.knobs)


def simulate(
    jobs: Sequence[Job], setup: Setup, watch: Callable[[float], None] | None = None
) -> Course:
    """Every job, from its submission to its end. `jobs` come from `jobs.chosen`."""
    return Engine(jobs, setup.nodes, setup.scheduler(), setup.terms).run(watch)


def result(course: Course, setup: Setup) -> dict[str, Any]:
    """The figures of a course, as JSON."""
    terms = setup.terms
    is_ours = setup.reference is None
    within = (
        most_suspensions_within(course.progress, setup.knobs.slice_seconds) if is_ours else None
    )
    return {
        "policy_version": setup.knobs.version if is_ours else None,
        "nodes": setup.nodes,
        "gpus_per_node": setup.gpus_per_node,
        "tick_s": terms.tick_s,
        "suspend_cost_s": terms.suspend_cost_s,
        "checkpoint_every_s": terms.checkpoint_every_s,
        **summary(course.progress),
        **use_of_pool(course.progress, course.timeline, setup.nodes),
        "most_suspensions_in_slice": within,
        "by_gang": by_gang(course.progress),
        "by_user": by_user(course.progress),
    }
