"""Why a task is where it is, in plain words: its facts with the names of the tasks in them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from hai.core.task import Attempt, Task, TaskDraft
from hai.core.task_facts import ActiveFacts, Holder, WaitFacts
from hai.core.types import Keeper, Loss, Outcome, Priority, TaskState
from hai.wording import phrases
from hai.wording.prospects import Names

_MOST_WORKERS = 5  # of a gang are named
_NEXT: Mapping[Keeper | Loss | None, str] = {
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
        alone = f"{place}: {_NEXT.get(facts.kept_out_by, 'it is next')}"
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
    if holder.backfill:
        return f"{holds} as backfill, until the task that waits for them fits"
    if holder.until is None:  # a part of shared nodes
        return holds
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


@dataclass(slots=True)
class Explanation:
    """One sentence, and what adds to it."""

    text: str
    lines: list[str] = field(default_factory=list)


def active_explanation(task: Task, facts: ActiveFacts, names: Names, now: float) -> Explanation:
    """Of a task that holds nodes: how long it may keep them, and what may happen then."""
    attempt = task.attempt
    count = phrases.nodes(task.nodes)
    if task.state is TaskState.STOPPING:
        return Explanation(f"is leaving its {count}: {task.why or 'it was told to stop'}")
    if task.state is TaskState.SUSPENDING:
        heir = attempt.for_task if attempt is not None else None
        why = f"for task {names.get(heir, str(heir))}" if heir is not None else task.why
        return Explanation(f"was told to save and to leave its {count}: {why}")
    begun = "is starting" if task.state is TaskState.STARTING else "runs"
    told = Explanation(f"{begun} on {count} at {_level(task)}{_firmness(facts, names, now)}")
    told.lines = _what_then(facts, names, now)
    if task.state is TaskState.RUNNING:
        told.lines.append(_at_risk(facts, now))
    return told


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


def ended_explanation(task: Task, now: float) -> Explanation:
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
    return Explanation(f"{how} {ago} ago{code}{why}", lines)


# around any of them


def worker_lines(task: Task) -> list[str]:
    """What keeps workers from coming up, or hides them: a pull, a quota, a node that is silent."""
    workers = task.attempt.workers if task.attempt is not None and task.state.is_active else ()
    told = [w for w in workers if w.detail and not w.state.is_over]
    return [f"rank {w.rank} on {w.node}: {w.detail}" for w in told[:_MOST_WORKERS]]


def array_lines(drafts: Sequence[TaskDraft]) -> list[str]:
    """Of which task of a submission it is told."""
    first = drafts[0]
    if first.array is None:
        return []
    limit = f", {first.array_limit} of which may run at once" if first.array_limit else ""
    return [f"this is told of the first of its array's {len(drafts):,} tasks{limit}"]


def clock_line(jump_seconds: float) -> str:
    """What explains times that somebody remembers otherwise."""
    return (
        f"the server's clock {phrases.jump(jump_seconds)}: its times are told by the clock of now"
    )
