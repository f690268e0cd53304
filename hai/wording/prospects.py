"""Prospects in plain words: what a change is, and what would come of it."""

from collections.abc import Mapping, Sequence

from hai.core.plan import Claim
from hai.core.types import NodeName, TaskId
from hai.core.whatif import NEW, Prospect, Variant, Victim
from hai.wording import phrases, wait_reasons

_MOST_NAMED = 4

Names = Mapping[TaskId, str]
"""How tasks are called, by id: "7 train.py of bob"."""


def change_text(variant: Variant, claim: Claim) -> str:
    """What is other than it is, to begin a sentence with: "with 2 nodes"."""
    parts = []
    if variant.nodes is not None and variant.nodes != claim.nodes:
        parts.append(f"with {phrases.nodes(variant.nodes)}")
    if variant.group is not None and variant.group != claim.group:
        parts.append(f"in group {variant.group}")
    if variant.priority is not None and variant.priority is not claim.priority:
        parts.append(f"at priority {variant.priority.name}")
    if not parts:
        return "as it is"
    is_anew = variant.is_resubmission and claim.task_id != NEW
    anew = " (submitted anew)" if is_anew else ""
    return f"{', '.join(parts)}{anew}"


def prospect_text(prospect: Prospect, names: Names, now: float) -> str:
    """What would come of it, as the end of the sentence "it ..."."""
    said = _fate(prospect, names, now)
    if prospect.delays:
        shown = prospect.delays[:_MOST_NAMED]
        who = phrases.tasks((_name(one, names) for one in shown), len(prospect.delays) - len(shown))
        said += f"; {who} would wait longer"
    return said


def _fate(prospect: Prospect, names: Names, now: float) -> str:
    if prospect.claim.state.is_active:
        if prospect.taken_by is None:
            return "keeps its nodes"
        return f"would be suspended for task {_name(prospect.taken_by, names)}"
    if prospect.start is not None:
        filler = " as backfill" if prospect.start.backfill else ""
        return f"starts now{filler} on {nodes_text(prospect.start.nodes)}"
    if prospect.handover is not None:
        return (
            f"starts on {phrases.nodes(len(prospect.handover.nodes))} once {_left(prospect, names)}"
        )
    if prospect.reason is None:
        return "still waits"
    why = wait_reasons.text(prospect.reason, now)
    return f"still {why}" if why.startswith("waits") else f"still waits: it {why}"


def _left(prospect: Prospect, names: Names) -> str:
    parts = []
    count = len(prospect.suspends)
    if count:
        shown = prospect.suspends[:_MOST_NAMED]
        who = phrases.tasks((_cost(victim, names) for victim in shown), count - len(shown))
        parts.append(f"{who} {phrases.have(count)} been suspended")
    leaving = len(prospect.leavers)
    if leaving:
        who = phrases.tasks(_name(one, names) for one in prospect.leavers[:_MOST_NAMED])
        parts.append(f"{who} {phrases.have(leaving)} left (told already)")
    return " and ".join(parts) or "they are free"


def _cost(victim: Victim, names: Names) -> str:
    return f"{_name(victim.task_id, names)} (loses {phrases.span(victim.lost_seconds)} of work)"


def _name(task_id: TaskId, names: Names) -> str:
    return names.get(task_id, str(task_id))


def nodes_text(nodes: Sequence[NodeName]) -> str:
    """Names of a few, the number of many."""
    return ", ".join(nodes) if len(nodes) <= _MOST_NAMED else phrases.nodes(len(nodes))
