"""Small traces for simulator tests, and policies that are watched while they decide."""

from collections.abc import Sequence

from hai.core.simulation.engine import Course, Engine, Terms
from hai.core.simulation.jobs import Job, in_order
from hai.core.simulation.scheduler import Decision, Progress, Scheduler, Started

FREE = Terms(suspend_cost_s=0.0)


def jobs_of(*shapes: tuple[float, float, int]) -> tuple[Job, ...]:
    """Each (submitted, duration, nodes); the id is the place in the arguments."""
    return in_order(
        Job(number=0, id=str(place), submit_s=submit, duration_s=duration, nodes=nodes)
        for place, (submit, duration, nodes) in enumerate(shapes)
    )


def course_of(
    scheduler: Scheduler, pool: int, *shapes: tuple[float, float, int], terms: Terms = FREE
) -> Course:
    return Engine(jobs_of(*shapes), pool, scheduler, terms).run()


def starts(course: Course) -> dict[str, float | None]:
    return {one.job.id: one.first_s for one in course.progress}


def ends(course: Course) -> dict[str, float | None]:
    return {one.job.id: one.ended_s for one in course.progress}


class Watched:
    """Passes everything on, and checks at every word that the cluster is possible."""

    def __init__(self, scheduler: Scheduler, pool: int) -> None:
        self._scheduler = scheduler
        self._pool = pool
        self._seen: list[Progress] = []
        self.decisions: list[tuple[float, Decision]] = []

    def submit(self, progress: Progress, now: float) -> None:
        assert now >= progress.job.submit_s
        self._seen.append(progress)
        self._check()
        self._scheduler.submit(progress, now)

    def finish(self, progress: Progress, now: float) -> None:
        self._check()
        self._scheduler.finish(progress, now)

    def freed(self, progress: Progress, now: float) -> None:
        assert progress.began_s is None
        assert not progress.held
        self._check()
        self._scheduler.freed(progress, now)

    def saved(self, progress: Progress, now: float) -> None:
        assert progress.began_s is not None
        self._scheduler.saved(progress, now)

    def decide(self, now: float) -> Decision:
        self._check()
        decision = self._scheduler.decide(now)
        if decision.starts or decision.suspends:
            self.decisions.append((now, decision))
        return decision

    def next_due(self) -> float | None:
        self._check()
        return self._scheduler.next_due()

    def _check(self) -> None:
        held = [node for progress in self._seen for node in progress.held]
        assert len(held) == len(set(held)), "a node is held twice"
        assert set(held) <= set(range(self._pool))
        for progress in self._seen:
            assert len(progress.held) in (0, progress.job.nodes), "a gang runs in part"


class Script:
    """Decides as told: at each time, jobs to start and jobs to suspend, by id."""

    def __init__(self, plan: dict[float, tuple[Sequence[str], Sequence[str]]]) -> None:
        self._plan = plan
        self._known: dict[str, Progress] = {}
        self.heard: list[tuple[str, str, float]] = []

    def submit(self, progress: Progress, now: float) -> None:
        self._known[progress.job.id] = progress
        self.heard.append(("submit", progress.job.id, now))

    def finish(self, progress: Progress, now: float) -> None:
        self.heard.append(("finish", progress.job.id, now))

    def freed(self, progress: Progress, now: float) -> None:
        self.heard.append(("freed", progress.job.id, now))

    def saved(self, progress: Progress, now: float) -> None:
        self.heard.append(("saved", progress.job.id, now))

    def decide(self, now: float) -> Decision:
        started, suspended = self._plan.pop(now, ((), ()))
        return Decision(
            [Started(self._known[name]) for name in started],
            [self._known[name] for name in suspended],
        )

    def next_due(self) -> float | None:
        return min(self._plan, default=None)
