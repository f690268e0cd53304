"""Reasons in plain words: one sentence per code, made of its evidence and nothing else."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from hai.core.plan import Reason
from hai.core.types import WaitCode


def text(reason: Reason) -> str:
    """Why a task waits, as the end of the sentence "task 7 ..."; never raises on thin evidence."""
    return _SENTENCES[reason.code](_Evidence(reason.evidence))


class _Evidence:
    """Forgiving access: reasons are stored and may come from another version."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        self._values = values

    def number(self, key: str) -> int:
        value = self._values.get(key)
        return value if isinstance(value, int) else 0

    def word(self, key: str, otherwise: str) -> str:
        value = self._values.get(key)
        return otherwise if value is None else str(value)

    def items(self, key: str) -> list[object]:
        value = self._values.get(key)
        return list(value) if isinstance(value, list | tuple) else []

    @property
    def group(self) -> str:
        return self.word("group", "its group")

    @property
    def needed(self) -> str:
        return _nodes(self.number("needed")) if self.number("needed") else "its nodes"


def _held(_: _Evidence) -> str:
    return "is suspended until somebody resumes it"


def _dependency(evidence: _Evidence) -> str:
    return f"starts after {_tasks(evidence.items('tasks')) or 'other tasks'}"


def _backoff(evidence: _Evidence) -> str:
    seconds = evidence.number("seconds")
    return f"is tried again {f'in {seconds} s' if seconds else 'later'}"


def _array_limit(evidence: _Evidence) -> str:
    limit = evidence.number("limit")
    return f"waits for its array, of which {limit or 'few'} may run at once"


def _unhealthy(evidence: _Evidence) -> str:
    size, healthy = evidence.number("nodes"), evidence.number("healthy")
    return (
        f"needs {evidence.needed}: only {healthy} of {size} in {evidence.group} "
        f"{_are(healthy)} healthy"
    )


def _group_unknown(evidence: _Evidence) -> str:
    return f"waits for a group that has no nodes: {evidence.group}"


def _group_too_small(evidence: _Evidence) -> str:
    size, healthy = evidence.number("nodes"), evidence.number("healthy")
    sick = "" if healthy == size else f" ({healthy} healthy)"
    return f"needs {evidence.needed}, more than the {size}{sick} that {evidence.group} has"


def _no_quota(evidence: _Evidence) -> str:
    limit, level = evidence.number("limit"), evidence.word("level", "its priority")
    return (
        f"needs {evidence.needed} at {level} in {evidence.group}, "
        f"where the user's quota is {_nodes(limit)}"
    )


def _quota_exceeded(evidence: _Evidence) -> str:
    used, limit = evidence.number("used"), evidence.number("limit")
    level = evidence.word("level", "its priority")
    return (
        f"needs {evidence.needed} at {level} in {evidence.group}: "
        f"{used} of the user's quota of {limit} {_are(used)} in use"
    )


def _no_free_nodes(evidence: _Evidence) -> str:
    size, healthy, free = (evidence.number(key) for key in ("nodes", "healthy", "free"))
    start = f"waits for {evidence.needed}"
    if evidence.number("needed") > healthy:
        return f"{start}: only {healthy} of {size} in {evidence.group} {_are(healthy)} healthy"
    facts = [f"{free} of {size} in {evidence.group} {_are(free)} free"]
    busy = healthy - free
    holders = _tasks(evidence.items("held_by"), evidence.number("held_by_more"))
    keepers = evidence.items("kept_for")
    if busy and holders:
        facts.append(f"{busy} {_are(busy)} held by {holders}")
    if keepers:
        facts.append(f"some of them kept for {_tasks(keepers)}")
    if size > healthy:
        facts.append(f"{size - healthy} {_are(size - healthy)} not healthy")
    return f"{start}: {', '.join(facts)}"


def _behind(evidence: _Evidence) -> str:
    place, head = evidence.number("position"), evidence.word("head", "others")
    return f"is number {place} in its line in {evidence.group}, behind task {head}"


def _handover(evidence: _Evidence) -> str:
    leavers = evidence.items("tasks")
    have = "has" if len(leavers) == 1 else "have"
    nodes = _nodes(len(evidence.items("nodes")))
    return f"starts on {nodes} of {evidence.group} once {_tasks(leavers)} {have} left"


def _not_planned(_: _Evidence) -> str:
    return "waits for the next turn of the scheduler"


def _nodes(count: int) -> str:
    return f"{count} node" if count == 1 else f"{count} nodes"


def _are(count: int) -> str:
    return "is" if count == 1 else "are"


def _tasks(ids: Iterable[object], more: int = 0) -> str:
    names = [str(task_id) for task_id in ids]
    if not names:
        return ""
    rest = f" and {more} more" if more else ""
    return f"task {names[0]}" if len(names) == 1 and not more else f"tasks {', '.join(names)}{rest}"


_SENTENCES: Mapping[WaitCode, Callable[[_Evidence], str]] = {
    WaitCode.HELD: _held,
    WaitCode.DEPENDENCY: _dependency,
    WaitCode.BACKOFF: _backoff,
    WaitCode.ARRAY_LIMIT: _array_limit,
    WaitCode.GROUP_UNKNOWN: _group_unknown,
    WaitCode.GROUP_TOO_SMALL: _group_too_small,
    WaitCode.UNHEALTHY: _unhealthy,
    WaitCode.NO_QUOTA: _no_quota,
    WaitCode.QUOTA_EXCEEDED: _quota_exceeded,
    WaitCode.NO_FREE_NODES: _no_free_nodes,
    WaitCode.BEHIND: _behind,
    WaitCode.HANDOVER: _handover,
    WaitCode.NOT_PLANNED: _not_planned,
}
