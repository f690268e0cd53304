"""What there is to tell of a task beside its reason: facts of the scheduler's state first, then,
once the names of the tasks in them are known, lines for people."""

import heapq
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from hai.core.plan import Claim, Plan
from hai.core.preemption.victims import defended_level, slice_end
from hai.core.quota import LEVELS
from hai.core.reasons.finding import head_of
from hai.core.reasons.kinds import (
    Behind,
    ContainerQuotaExceeded,
    NoFreeNodes,
    QuotaExceeded,
    Reason,
)
from hai.core.state import SchedulerState
from hai.core.task import Attempt, Task
from hai.core.types import Keeper, Loss, Outcome, Priority, TaskId, TaskState
from hai.core.whatif import after_slice, victim_of
from hai.wording import phrases
from hai.wording.prospects import Names

_MOST_AHEAD = 3
_MOST_HOLDERS = 5


@dataclass(frozen=True, slots=True)
class Holder:
    """An active task; `until` it is safe from its equals (None: it is backfill). `above`: where it
    stands if that is above the one who waits."""

    task_id: TaskId
    nodes: int
    until: float | None
    above: Priority | None = None


@dataclass(frozen=True, slots=True)
class WaitFacts:
    """Where a waiting task stands and who has what it waits for."""

    group: str = ""
    position: int | None = None
    ahead: tuple[TaskId, ...] = ()
    holders: tuple[Holder, ...] = ()
    more_holders: int = 0
    spenders: tuple[TaskId, ...] = ()  # the user's own tasks that use its quota up
    kept_out_by: str = ""  # who lets it wait although it is the first

    @property
    def mentioned(self) -> set[TaskId]:
        return {*self.ahead, *self.spenders, *(holder.task_id for holder in self.holders)}


def wait_facts(
    state: SchedulerState, claim: Claim, reason: Reason, order: Mapping[TaskId, int]
) -> WaitFacts:
    """`order`: places in the order of service, from 1, in that order."""
    position = order.get(claim.task_id)
    ahead: list[TaskId] = []
    for task_id, place in order.items():
        if position is None or place >= position or len(ahead) == _MOST_AHEAD:
            break
        ahead.append(task_id)
    running = state.group(claim.group).running
    holders: list[Holder] = []
    if isinstance(reason, NoFreeNodes | Behind):
        level = LEVELS[0] if reason.level is Priority.AUTO else reason.level
        holders = _holders(state, running.claims(), level)
    spenders: list[TaskId] = []
    if isinstance(reason, QuotaExceeded | ContainerQuotaExceeded):
        own = (one for one in running.claims() if one.user == claim.user)
        spenders = sorted(one.task_id for one in own if one.level is reason.level)
    return WaitFacts(
        group=claim.group,
        position=position,
        ahead=tuple(ahead),
        holders=tuple(holders),
        more_holders=len(running) - len(holders) if holders else 0,
        spenders=tuple(spenders[:_MOST_HOLDERS]),
        kept_out_by=_kept_out_by(reason),
    )


def _kept_out_by(reason: Reason) -> str:
    """Who keeps the first of a line out; "" if nobody in particular does."""
    keeper: Keeper | Loss | None = None
    if isinstance(reason, NoFreeNodes):
        keeper = reason.kept_out_by
    elif isinstance(reason, Behind):
        keeper = reason.spares
    return keeper.value if keeper in _NEXT else ""


def _holders(state: SchedulerState, active: Iterable[Claim], level: Priority) -> list[Holder]:
    """Whose nodes may come free first for one who waits at the level."""
    first = heapq.nsmallest(
        _MOST_HOLDERS,
        active,
        key=lambda one: (defended_level(one) > level, slice_end(one, state.policy), one.task_id),
    )
    return [
        Holder(
            one.task_id,
            len(one.holds),
            _safe_until(state, one),
            defended_level(one) if defended_level(one) > level else None,
        )
        for one in first
    ]


def _safe_until(state: SchedulerState, claim: Claim) -> float | None:
    return None if claim.backfill else slice_end(claim, state.policy)


_NEXT = {
    "": "it is next",
    Keeper.OWN: (
        "it is next once enough of its user's own tasks have ended; those of others pass it"
    ),
    Keeper.HIGHER: "it is next once higher priorities leave it room; others pass it meanwhile",
    Loss.QUOTA: "it comes after another task of its user, which waits for the quota",
}


def waiting_lines(facts: WaitFacts, names: Names, now: float) -> list[str]:
    lines = []
    if facts.position is not None:
        place = f"place {facts.position} in the order of service of {facts.group}"
        rest = facts.position - 1 - len(facts.ahead)
        ahead = phrases.tasks((names.get(one, str(one)) for one in facts.ahead), rest)
        alone = f"{place}: {_NEXT[facts.kept_out_by]}"
        lines.append(f"{place}, behind {ahead}" if ahead else alone)
    lines += [_holder_line(holder, names, now) for holder in facts.holders]
    if facts.more_holders:
        lines.append(f"{facts.more_holders} more tasks hold nodes of {facts.group}")
    if facts.spenders:
        who = phrases.tasks(names.get(one, str(one)) for one in facts.spenders)
        lines.append(f"the quota is in use by {who}")
    return lines


def _holder_line(holder: Holder, names: Names, now: float) -> str:
    name = names.get(holder.task_id, str(holder.task_id))
    holds = f"task {name} holds {phrases.nodes(holder.nodes)}"
    if holder.above is not None:
        return f"{holds} at {holder.above.name}"
    if holder.until is None:
        return f"{holds} as backfill, until the task that waits for them fits"
    if holder.until <= now:
        return f"{holds}; its slice is over"
    return f"{holds}, safe for {phrases.span(holder.until - now)} more"


# a task that was suspended


def suspended_lines(task: Task, heir: Task | None, now: float) -> list[str]:
    """Who took the nodes of its last attempt, why, when, and what that cost. `heir` is the task
    that it was suspended for, if that is known."""
    attempt = task.attempt
    if attempt is None or attempt.outcome is None:
        return _held_lines(task, "")
    return [*_held_lines(task, attempt.why), *_left_lines(attempt, heir, now)]


def _held_lines(task: Task, known: str) -> list[str]:
    """Why a person took it out of its line, if that is not why it left its nodes."""
    return [f"it was taken out of its line: {task.why}"] if task.held and task.why != known else []


def _left_lines(attempt: Attempt, heir: Task | None, now: float) -> list[str]:
    ended_at = attempt.ended_at or now
    ago = f"{phrases.span(now - ended_at)} ago"
    if attempt.outcome is Outcome.NODE_LOST:
        return [_loss_line(attempt, ago, ended_at)]
    if attempt.outcome is Outcome.FAILED:
        return [f"its last try failed {ago}: {attempt.why or 'for no known reason'}"]
    if attempt.for_task is not None:
        lines = [f"its nodes went to {_heir(attempt, heir)}; it left them {ago}"]
    else:
        lines = [f"it left its nodes {ago}: {attempt.why or 'it was suspended'}"]
    if attempt.outcome is Outcome.SUSPENDED_CLEAN:
        lines.append("it saved before it left, so no work is lost")
    else:
        lines.append(f"it did not save in time: {_lost(attempt, ended_at)}")
    return lines


def _loss_line(attempt: Attempt, ago: str, ended_at: float) -> str:
    if attempt.started_at is None:
        return f"it could not be started {ago}: {attempt.why or 'for no known reason'}"
    what = f"a worker was lost {ago}"
    what = f"{what} ({attempt.why})" if attempt.why else what
    return f"{what}; {_lost(attempt, ended_at)}"


def _heir(attempt: Attempt, heir: Task | None) -> str:
    """Who got its nodes, and by what right."""
    if heir is None:
        return f"task {attempt.for_task}"
    who = f"task {heir.id} {heir.name} of {heir.user}"
    level = heir.priority if heir.attempt is None else heir.attempt.priority
    if level > attempt.priority:
        return f"{who}, which has priority {level.name}"
    if attempt.backfill:
        return f"{who}, in whose shadow it ran as backfill"
    return f"{who}, whose turn it was when the slice was over"


def _lost(attempt: Attempt, ended_at: float) -> str:
    began = attempt.started_at if attempt.started_at is not None else ended_at
    since = max(began, attempt.saved_at or 0.0)
    what = "the work" if attempt.saved_at is None else "the work since its last checkpoint"
    return f"{what} of {phrases.span(ended_at - since)} is lost"


# a task that holds nodes


@dataclass(frozen=True, slots=True)
class ActiveFacts:
    """How firmly an active task holds its nodes. `next_taker` gets them if its slice ends now;
    `shadow_of` is the gang that a backfill yields to."""

    until: float | None = None
    backfill: bool = False
    next_taker: TaskId | None = None
    shadow_of: TaskId | None = None
    at_risk_seconds: float = 0.0
    saved_at: float | None = None

    @property
    def mentioned(self) -> set[TaskId]:
        return {one for one in (self.next_taker, self.shadow_of) if one is not None}


def active_facts(state: SchedulerState, decided: Plan, task_id: TaskId) -> ActiveFacts:
    claim = state.claims.get(task_id)
    if claim is None or not claim.state.is_active or claim.state.is_leaving:
        return ActiveFacts()
    return ActiveFacts(
        until=_safe_until(state, claim),
        backfill=claim.backfill,
        next_taker=after_slice(state, task_id),
        shadow_of=head_of(state, decided, claim) if claim.backfill else None,
        at_risk_seconds=victim_of(state, task_id).lost_seconds,
        saved_at=claim.saved_at,
    )


@dataclass(slots=True)
class Story:
    """One sentence, and what adds to it."""

    text: str
    lines: list[str] = field(default_factory=list)


def active_story(task: Task, facts: ActiveFacts, names: Names, now: float) -> Story:
    """Of a task that holds nodes: how long it may keep them, and what may happen then."""
    attempt = task.attempt
    count = phrases.nodes(task.nodes)
    if task.state is TaskState.STOPPING:
        return Story(f"is leaving its {count}: {task.why or 'it was told to stop'}")
    if task.state is TaskState.SUSPENDING:
        heir = attempt.for_task if attempt is not None else None
        why = f"for task {names.get(heir, str(heir))}" if heir is not None else task.why
        return Story(f"was told to save and to leave its {count}: {why}")
    begun = "is starting" if task.state is TaskState.STARTING else "runs"
    story = Story(f"{begun} on {count} at {_level(task)}{_firmness(facts, names, now)}")
    story.lines = _what_then(facts, names, now)
    if task.state is TaskState.RUNNING:
        story.lines.append(_at_risk(facts, now))
    return story


def _level(task: Task) -> str:
    """Where it defends its nodes, and where they are charged if that is another level."""
    charged = task.priority if task.attempt is None else task.attempt.priority
    if task.priority is Priority.AUTO or task.priority >= charged:
        return charged.name
    return f"{task.priority.name} (charged to {charged.name})"


def _firmness(facts: ActiveFacts, names: Names, now: float) -> str:
    if facts.backfill:
        head = facts.shadow_of
        whom = f"task {names.get(head, str(head))}" if head is not None else "a wider task"
        return f" as backfill, until {whom}, which waits for these nodes, fits"
    if facts.until is None:
        return ""
    if facts.until <= now:
        return "; its slice is over, and an equal of another user may take its turn"
    return f", safe from its equals for {phrases.span(facts.until - now)} more"


def _what_then(facts: ActiveFacts, names: Names, now: float) -> list[str]:
    if facts.until is None:
        return []
    taker = facts.next_taker
    if taker is not None:
        when = "next" if facts.until <= now else "then"
        return [f"{when} task {names.get(taker, str(taker))} takes its nodes, as it stands now"]
    if facts.until <= now:
        return ["nobody waits who could take its nodes: it runs on"]
    return ["nobody waits who could take its nodes then; a higher priority may at any time"]


def _at_risk(facts: ActiveFacts, now: float) -> str:
    if facts.saved_at is None:
        risk = phrases.span(facts.at_risk_seconds)
        return f"it has told of no checkpoint yet: {risk} of work would be lost without one"
    ago = phrases.span(now - facts.saved_at)
    return f"its last checkpoint was {ago} ago: the work since then would be lost without another"


def ended_story(task: Task, now: float) -> Story:
    """How it ended."""
    ended_at = task.ended_at if task.ended_at is not None else now
    ago = phrases.span(now - ended_at)
    how = "was stopped" if task.state is TaskState.STOPPED else task.state.value
    code = "" if task.exit_code in (None, 0) else f" with exit code {task.exit_code}"
    why = f": {task.why}" if task.why else ""
    lines = []
    if task.started_at is None:
        lines.append("it never ran")
    else:
        waited = phrases.span(task.started_at - task.submitted_at)
        lines.append(f"it ran for {phrases.span(task.ran_seconds)} and waited {waited} to start")
    if task.suspend_count:
        times = "once" if task.suspend_count == 1 else f"{task.suspend_count} times"
        lines.append(f"it was suspended {times}")
    return Story(f"{how} {ago} ago{code}{why}", lines)
