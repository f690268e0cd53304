"""What the engine asks of a policy, and what a policy sees of the jobs."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from hai.core.simulation.jobs import Job


@dataclass(slots=True, eq=False)
class Progress:
    """One job on its way. Only the engine changes it; times are seconds of the trace."""

    job: Job
    left_s: float  # work left when it last began or stopped to run
    held: tuple[int, ...] = ()  # numbers of its nodes
    began_s: float | None = None  # when it last began to run; None: it does not run now
    first_s: float | None = None  # when it began for the first time
    ended_s: float | None = None
    attempts: int = 0
    suspended_s: list[float] = field(default_factory=list)  # when it was given notice
    lost_node_s: float = 0.0

    def remaining(self, now: float) -> float:
        """Seconds of work left."""
        return self.left_s if self.began_s is None else self.left_s - (now - self.began_s)

    def done(self, now: float) -> float:
        """Seconds of work done."""
        return self.job.duration_s - self.remaining(now)


class Started(NamedTuple):
    """`nodes` are numbers of free nodes; None leaves the choice to the engine."""

    progress: Progress
    nodes: tuple[int, ...] | None = None


class Decision(NamedTuple):
    """Always carried out, the suspends first: whoever decides may book it at once. `again`: wants
    to be asked once more at this time, for what was decided may allow more."""

    starts: Sequence[Started] = ()
    suspends: Sequence[Progress] = ()
    again: bool = False


class Scheduler(Protocol):
    """A policy. It is told what happens and asked what to do."""

    def submit(self, progress: Progress, now: float) -> None:
        """A job joins the line."""

    def finish(self, progress: Progress, now: float) -> None:
        """A running job ended: its nodes are free."""

    def freed(self, progress: Progress, now: float) -> None:
        """A suspended job has left its nodes and is back in the line."""

    def saved(self, progress: Progress, now: float) -> None:
        """A running job wrote a checkpoint."""

    def decide(self, now: float) -> Decision:
        """What to do now."""

    def next_due(self) -> float | None:
        """The next time at which it has to be asked again though nothing happened."""
