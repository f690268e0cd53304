"""The virtual clock: carries jobs through a policy's decisions, event by event.

At one time jobs leave first (ended, or done with saving), then jobs are submitted in the order of
the trace, and then the policy decides, knowing all of it. Times are exact, not rounded.
A suspended job keeps its nodes for the cost of a suspend, without progress; whoever is to have
them starts when they are free. The engine refuses decisions that no cluster could carry out.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from heapq import heappop, heappush
from typing import NamedTuple

from hai.core.simulation.jobs import Job
from hai.core.simulation.scheduler import Progress, Scheduler
from hai.core.simulation.timeline import Timeline
from hai.errors import InvalidInput, PlatformError

_WATCH_EVERY = 1000  # events


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """`suspend_cost_s`: a suspended job holds its nodes for so long. `tick_s`: decisions are made
    at multiples of it only; 0: at every event. `checkpoint_every_s`: what a job did since its last
    checkpoint is lost with a suspend; None: nothing is."""

    suspend_cost_s: float = 30.0
    tick_s: float = 0.0
    checkpoint_every_s: float | None = None

    def __post_init__(self) -> None:
        for name in ("suspend_cost_s", "tick_s"):
            if not 0 <= getattr(self, name) < math.inf:
                raise InvalidInput(f"{name} must be 0 or more", hint="write 30s or 5m")
        if self.checkpoint_every_s is not None and not 0 < self.checkpoint_every_s < math.inf:
            raise InvalidInput("checkpoint_every_s must be more than 0", hint="write 30m")


@dataclass(frozen=True, slots=True)
class Course:
    """How a simulation went."""

    progress: tuple[Progress, ...]
    timeline: Timeline


class _Kind(IntEnum):
    """Of events on the heap, in the order of their handling at one time."""

    ENDED = 0
    LEFT = 1
    SAVED = 2


class _Event(NamedTuple):
    """What becomes of an attempt of the job with that number; void once the attempt is over."""

    at: float
    kind: _Kind
    number: int
    attempt: int


class Engine:
    """Jobs in the order of submission, each at most as wide as the pool."""

    def __init__(self, jobs: Sequence[Job], nodes: int, scheduler: Scheduler, terms: Terms) -> None:
        self._progress = tuple(Progress(job, job.duration_s) for job in jobs)
        self._pool = nodes
        self._free = set(range(nodes))
        self._demand = 0
        self._scheduler = scheduler
        self._terms = terms
        self._heap: list[_Event] = []
        self._submitted = 0
        self._wake = math.inf
        self._timeline = Timeline()

    def run(self, watch: Callable[[float], None] | None = None) -> Course:
        """To the end of the last job. `watch` hears now and then which share of the jobs has been
        submitted."""
        count = 0
        while (now := self._next_time()) < math.inf:
            changed = self._handle(now)
            changed = self._submit(now) or changed
            if changed:
                self._wake = min(self._wake, self._round_up(now))
            if self._wake <= now:
                self._decide(now)
            self._timeline.note(now, self._pool - len(self._free), self._demand)
            count += 1
            if watch is not None and count % _WATCH_EVERY == 0:
                watch(self._submitted / len(self._progress))
        stuck = [progress for progress in self._progress if progress.ended_s is None]
        if stuck:
            raise PlatformError(f"the policy leaves {len(stuck)} jobs waiting for ever")
        return Course(self._progress, self._timeline)

    def _next_time(self) -> float:
        now = self._heap[0].at if self._heap else math.inf
        if self._submitted < len(self._progress):
            now = min(now, self._progress[self._submitted].job.submit_s)
        return min(now, self._wake)

    def _round_up(self, now: float) -> float:
        tick = self._terms.tick_s
        return math.ceil(now / tick) * tick if tick else now

    def _handle(self, now: float) -> bool:
        """Events that are due; whether there is something to decide."""
        changed = False
        while self._heap and self._heap[0].at <= now:
            event = heappop(self._heap)
            progress = self._progress[event.number]
            if event.kind == _Kind.LEFT:
                self._release(progress)
                self._scheduler.freed(progress, now)
                changed = True
            elif progress.attempts != event.attempt or progress.began_s is None:
                continue
            elif event.kind == _Kind.ENDED:
                self._end(progress, now)
                changed = True
            else:
                self._scheduler.saved(progress, now)
                self._expect_checkpoint(progress, now)
        return changed

    def _submit(self, now: float) -> bool:
        first = self._submitted
        while self._submitted < len(self._progress):
            progress = self._progress[self._submitted]
            if progress.job.submit_s > now:
                break
            self._submitted += 1
            self._demand += progress.job.nodes
            self._scheduler.submit(progress, now)
        return self._submitted > first

    def _decide(self, now: float) -> None:
        while True:
            decision = self._scheduler.decide(now)
            for progress in decision.suspends:
                self._suspend(progress, now)
            for progress, nodes in decision.starts:
                self._start(progress, nodes, now)
            frees_nodes = decision.suspends and not self._terms.suspend_cost_s
            if not frees_nodes and not decision.again:
                break
        due = self._scheduler.next_due()
        self._wake = math.inf if due is None or due <= now else self._round_up(due)

    def _start(self, progress: Progress, nodes: tuple[int, ...] | None, now: float) -> None:
        width = progress.job.nodes
        if progress.held or progress.ended_s is not None or width > len(self._free):
            raise PlatformError(f"the policy cannot start job {progress.job.id} at {now:g} s")
        if nodes is None:
            nodes = tuple(self._free.pop() for _ in range(width))
        elif len(set(nodes)) == width and self._free.issuperset(nodes):
            self._free.difference_update(nodes)
        else:
            raise PlatformError(f"job {progress.job.id} is given nodes that are not free: {nodes}")
        progress.held = nodes
        progress.began_s = now
        progress.attempts += 1
        if progress.first_s is None:
            progress.first_s = now
        end = _Event(now + progress.left_s, _Kind.ENDED, progress.job.number, progress.attempts)
        heappush(self._heap, end)
        self._expect_checkpoint(progress, now)

    def _expect_checkpoint(self, progress: Progress, now: float) -> None:
        every = self._terms.checkpoint_every_s
        if every is not None and now + every < now + progress.remaining(now):
            saved = _Event(now + every, _Kind.SAVED, progress.job.number, progress.attempts)
            heappush(self._heap, saved)

    def _suspend(self, progress: Progress, now: float) -> None:
        if progress.began_s is None:
            raise PlatformError(f"the policy cannot suspend job {progress.job.id} at {now:g} s")
        cost, every = self._terms.suspend_cost_s, self._terms.checkpoint_every_s
        ran = now - progress.began_s
        kept = ran if every is None else math.floor(ran / every) * every
        progress.lost_node_s += progress.job.nodes * (ran - kept + cost)
        progress.left_s -= kept
        progress.began_s = None
        progress.suspended_s.append(now)
        if cost:
            left = _Event(now + cost, _Kind.LEFT, progress.job.number, progress.attempts)
            heappush(self._heap, left)
        else:
            self._release(progress)
            self._scheduler.freed(progress, now)

    def _end(self, progress: Progress, now: float) -> None:
        progress.left_s = 0.0
        progress.began_s = None
        progress.ended_s = now
        self._demand -= progress.job.nodes
        self._release(progress)
        self._scheduler.finish(progress, now)

    def _release(self, progress: Progress) -> None:
        self._free.update(progress.held)
        progress.held = ()
