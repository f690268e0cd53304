"""Why a task is where it is, what would change it, and when it may start: for people.

Reads the scheduler's state as the last tick left it. What is asked of the state is asked between
two awaits, so that all of one answer is about one state; then the names are looked up.
"""

from collections.abc import Iterable, Sequence

from hai.core.claims import submitted_now
from hai.core.identity import User
from hai.core.plan import Claim
from hai.core.state import SchedulerState
from hai.core.task import Task, TaskDraft
from hai.core.task_facts import ActiveFacts, WaitFacts, active_facts, wait_facts
from hai.core.types import TaskId, TaskState
from hai.core.whatif import (
    MOST_PLANS,
    NEW,
    Counterfactual,
    Prospect,
    Variant,
    counterfactuals,
    what_if,
)
from hai.errors import Conflict, Unavailable
from hai.ports import Clock, Tasks
from hai.schema.why import (
    CounterfactualView,
    DryRunView,
    EstimateView,
    VictimView,
    WhatIfView,
    WhyView,
)
from hai.service.access import require_owner
from hai.service.estimates import Estimates
from hai.service.idleness import IdleService
from hai.service.last_tick import LastTick
from hai.service.views import estimate_view, reason_view
from hai.wording import wait_reasons
from hai.wording.explanations import (
    active_explanation,
    array_lines,
    clock_line,
    ended_explanation,
    suspended_lines,
    waiting_lines,
    worker_lines,
)
from hai.wording.prospects import Names, change_text, prospect_text
from hai.wording.refusals import require_time_left
from hai.wording.unknown import no_group

TasksById = dict[TaskId, Task]

_STILL_SECONDS = 0.25  # for one answer


class Explanations:
    """Explains tasks and foretells changes; changes nothing."""

    def __init__(
        self,
        store: Tasks,
        clock: Clock,
        last_tick: LastTick,
        estimates: Estimates,
        idle: IdleService | None = None,
    ) -> None:
        self._idle = idle
        self._store = store
        self._clock = clock
        self._last_tick = last_tick
        self._estimates = estimates
        self._found: dict[TaskId, Sequence[Counterfactual]] = {}  # of this tick
        self._found_tick = 0

    async def why(self, task: Task) -> WhyView:
        """Of a task in any state."""
        if task.state.is_waiting:
            view = await self._waiting(task)
            return {**view, "lines": [*view["lines"], *self._clock_lines(task)]}
        now = self._clock.now()
        if task.state.is_final:
            told = ended_explanation(task, now)
        else:
            state = self._last_tick.state
            facts = ActiveFacts()
            if state is not None:
                facts = active_facts(state, self._last_tick.decided, task.id)
            others = await self._look_up(facts.mentioned | _heir(task))
            told = active_explanation(task, facts, _names(others.values()), now)
        text = f"task {task.id} {told.text}"
        idle = [] if self._idle is None else await self._idle.lines(task)
        lines = [*worker_lines(task), *told.lines, *idle, *self._clock_lines(task)]
        return _why_view(task.id, task.state, text, lines)

    def _clock_lines(self, task: Task) -> list[str]:
        """What explains times that somebody remembers otherwise."""
        jump = self._last_tick.jump
        if jump is None or task.state.is_final or task.submitted_at > jump.at:
            return []
        return [clock_line(jump.seconds)]

    async def _waiting(self, task: Task) -> WhyView:
        now = self._clock.now()
        reason = self._last_tick.reason(task.id, held=task.held)
        state = self._last_tick.state
        claim = state.claims.get(task.id) if state is not None else None
        facts = WaitFacts()
        found: Sequence[Counterfactual] = ()
        if state is not None and claim is not None and claim.state.is_waiting:
            facts = wait_facts(state, claim, reason, self._last_tick.positions(claim.group))
            found = () if task.held else self._counterfactuals(state, claim)
        others = await self._look_up(facts.mentioned | _heir(task) | _in_all(found))
        names = _names(others.values())
        lines = []
        if task.state is TaskState.SUSPENDED:
            heir = task.attempt.for_task if task.attempt is not None else None
            lines += suspended_lines(task, None if heir is None else others.get(heir), now)
        lines += waiting_lines(facts, names, now)
        view = _why_view(
            task.id, task.state, f"task {task.id} {wait_reasons.text(reason, now)}", lines
        )
        view["reason"] = reason_view(reason, now)
        view["counterfactuals"] = [_counterfactual(one, others, now) for one in found]
        view["estimate"] = await self.estimate(task)
        return view

    async def estimate(self, task: Task) -> EstimateView | None:
        """When a waiting task may start; None for another, and while nothing can be said."""
        if not task.state.is_waiting:
            return None
        claim = await self._claim(task)
        told = None if claim is None else await self._estimates.of(claim)
        if told is None:
            return None
        if task.started_at is None:
            await self._estimates.record.given(task.id, told)
        return estimate_view(told)

    async def what_if(self, user: User, task: Task, variant: Variant) -> WhatIfView:
        """What the plan makes of an own task with a change. Conflict for one that has ended, or
        that runs and should run elsewhere."""
        require_owner(user, task, "ask what would become of it")
        if task.state.is_final:
            raise Conflict(f"task {task.id} has {task.state} already")
        if not task.state.is_waiting and variant.is_resubmission:
            raise Conflict(
                f"task {task.id} is {task.state}: only its priority can be changed",
                hint="submit another task with --dry-run to see what would become of it",
            )
        claim = await self._claim(task)
        if claim is None:
            raise Conflict(f"task {task.id} has just ended")
        state = self._state()
        if variant.priority is not None:
            limit = state.policy.demote_after_seconds
            require_time_left(task, variant.priority, limit, self._clock.now())
        if variant.group is not None and variant.group not in state.groups:
            raise no_group(variant.group, state.groups)
        prospect = what_if(state, claim, variant, before=self._last_tick.decided)
        others = await self._look_up(_in(prospect))
        return _what_if_view(prospect, others, self._clock.now())

    async def dry_run(self, drafts: Sequence[TaskDraft]) -> DryRunView:
        """What would become of a submission: of an array, of its first member."""
        state, now = self._state(), self._clock.now()
        claim = submitted_now(drafts[0], NEW, state.now)
        prospect = what_if(state, claim, before=self._last_tick.decided)
        found = self._counterfactuals(state, claim)
        facts = WaitFacts()
        if prospect.reason is not None:
            facts = wait_facts(state, claim, prospect.reason, {})
        others = await self._look_up(_in(prospect) | _in_all(found) | facts.mentioned)
        names = _names(others.values())
        lines = [*array_lines(drafts), *waiting_lines(facts, names, now)]
        told = await self._estimates.of(claim)
        view: DryRunView = {
            **_why_view(
                None,
                TaskState.QUEUED,
                f"the task {prospect_text(prospect, names, now).removeprefix('still ')}",
                lines,
            ),
            "starts_now": prospect.starts_now,
            "suspends": _victims(prospect, others),
        }
        view["reason"] = reason_view(prospect.reason, now) if prospect.reason else None
        view["counterfactuals"] = [_counterfactual(one, others, now) for one in found]
        view["estimate"] = None if told is None else estimate_view(told)
        return view

    def _counterfactuals(self, state: SchedulerState, claim: Claim) -> Sequence[Counterfactual]:
        """Once for each tick; as many plans as the server may stand still for, going by what the
        last one took."""
        if self._found_tick != self._last_tick.ticks:
            self._found, self._found_tick = {}, self._last_tick.ticks
        known = self._found.get(claim.task_id)
        if known is not None and claim.task_id != NEW:
            return known
        affordable = int(_STILL_SECONDS / max(self._last_tick.tick_seconds, 0.001))
        found = counterfactuals(
            state,
            claim,
            before=self._last_tick.decided,
            most_plans=min(affordable, MOST_PLANS),
        )
        self._found[claim.task_id] = found
        return found

    def _state(self) -> SchedulerState:
        state = self._last_tick.state
        if state is None:
            raise Unavailable("the scheduler has made no plan yet", hint="ask again in a moment")
        return state

    async def _claim(self, task: Task) -> Claim | None:
        """The task as the scheduler's state has it, or as the store has it if it is new."""
        state = self._last_tick.state
        known = state.claims.get(task.id) if state is not None else None
        if known is not None and known.held == task.held and known.priority is task.priority:
            return known
        found = await self._store.claims([task.id])
        return found[0] if found else None

    async def _look_up(self, ids: Iterable[TaskId]) -> TasksById:
        wanted = {task_id for task_id in ids if task_id != NEW}
        found = await self._store.tasks(wanted) if wanted else []
        return {task.id: task for task in found}


def _heir(task: Task) -> set[TaskId]:
    attempt = task.attempt
    return set() if attempt is None or attempt.for_task is None else {attempt.for_task}


def _in(prospect: Prospect) -> set[TaskId]:
    taken_by = () if prospect.taken_by is None else (prospect.taken_by,)
    victims = (victim.task_id for victim in prospect.suspends)
    return {*victims, *prospect.leavers, *prospect.delays[:8], *taken_by}


def _in_all(found: Iterable[Counterfactual]) -> set[TaskId]:
    return {task_id for one in found for task_id in _in(one.prospect)}


def _names(tasks: Iterable[Task]) -> Names:
    return {task.id: f"{task.id} {task.name} of {task.user}" for task in tasks}


def _victims(prospect: Prospect, others: TasksById) -> list[VictimView]:
    return [
        {
            "task_id": victim.task_id,
            "name": others[victim.task_id].name if victim.task_id in others else "",
            "user": victim.user,
            "lost_seconds": victim.lost_seconds,
        }
        for victim in prospect.suspends
    ]


def _what_if_view(prospect: Prospect, others: TasksById, now: float) -> WhatIfView:
    return {
        "starts_now": prospect.starts_now,
        "text": f"it {prospect_text(prospect, _names(others.values()), now)}",
        "suspends": _victims(prospect, others),
    }


def _counterfactual(one: Counterfactual, others: TasksById, now: float) -> CounterfactualView:
    view = _what_if_view(one.prospect, others, now)
    change = change_text(one.variant, one.before)
    return {"change": change, **view, "text": f"{change} {view['text']}"}


def _why_view(task_id: TaskId | None, state: TaskState, text: str, lines: Sequence[str]) -> WhyView:
    return {
        "task_id": task_id,
        "state": state.value,
        "text": text,
        "lines": list(lines),
        "reason": None,
        "counterfactuals": [],
        "estimate": None,
    }
