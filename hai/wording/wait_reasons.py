"""Reasons in plain words: one sentence per code, made of its evidence and nothing else."""

from collections.abc import Callable, Mapping
from typing import Any

from hai.core import phrases, resources
from hai.core.phrases import are
from hai.core.plan import Reason
from hai.core.queue.heads import Loss
from hai.core.types import WaitCode


def text(reason: Reason, now: float | None = None) -> str:
    """Why a task waits, as the end of the sentence "task 7 ..."; never raises on thin evidence.
    With `now` (Unix seconds) it also tells how long something lasts."""
    return _SENTENCES[reason.code](_Evidence(reason.evidence, now))


class _Evidence:
    """Forgiving access: reasons are stored and may come from another version."""

    def __init__(self, values: Mapping[str, Any], now: float | None) -> None:
        self._values = values
        self._now = now

    def __contains__(self, key: object) -> bool:
        return key in self._values

    def number(self, key: str) -> int:
        value = self._values.get(key)
        return value if isinstance(value, int) else 0

    def word(self, key: str, otherwise: str) -> str:
        value = self._values.get(key)
        return otherwise if value is None else str(value)

    def items(self, key: str) -> list[object]:
        value = self._values.get(key)
        return list(value) if isinstance(value, list | tuple) else []

    def mapping(self, key: str) -> Mapping[str, Any]:
        value = self._values.get(key)
        return value if isinstance(value, Mapping) else {}

    def left(self, key: str) -> str:
        """How long until a time of the evidence, or until the next of several; "" if there is
        none to come."""
        value = self._values.get(key)
        times = value.values() if isinstance(value, Mapping) else [value]
        now = self._now
        if now is None:
            return ""
        known = [at for at in times if isinstance(at, int | float) and at > now]
        return phrases.span(min(known) - now) if known else ""

    @property
    def group(self) -> str:
        return self.word("group", "its group")

    @property
    def needed(self) -> str:
        return phrases.nodes(self.number("needed")) if self.number("needed") else "its nodes"


def _held(_: _Evidence) -> str:
    return "is suspended until somebody resumes it"


def _dependency(evidence: _Evidence) -> str:
    return f"starts after {phrases.tasks(evidence.items('tasks')) or 'other tasks'}"


def _backoff(evidence: _Evidence) -> str:
    seconds = evidence.number("seconds")
    return f"is tried again {f'in {phrases.span(seconds)}' if seconds else 'later'}"


def _array_limit(evidence: _Evidence) -> str:
    limit = evidence.number("limit")
    return f"waits for its array, of which {limit or 'few'} may run at once"


def _unhealthy(evidence: _Evidence) -> str:
    size, healthy = evidence.number("nodes"), evidence.number("healthy")
    if "in_two_zones" in evidence:
        return (
            f"needs {evidence.needed}: a task spans two zones at the most, and no two of "
            f"{evidence.group} have more than {evidence.number('in_two_zones')} healthy ones"
        )
    return (
        f"needs {evidence.needed}: only {healthy} of {size} in {evidence.group} "
        f"{are(healthy)} healthy"
    )


def _group_unknown(evidence: _Evidence) -> str:
    return f"waits for a group that has no nodes: {evidence.group}"


def _group_too_small(evidence: _Evidence) -> str:
    size, healthy = evidence.number("nodes"), evidence.number("healthy")
    sick = "" if healthy == size else f" ({healthy} healthy)"
    return f"needs {evidence.needed}, more than the {size}{sick} that {evidence.group} has"


def _no_quota(evidence: _Evidence) -> str:
    limit, level = evidence.number("limit"), evidence.word("level", "its priority")
    if "limits" in evidence:
        return _over_quota(evidence)
    return (
        f"needs {evidence.needed} at {level} in {evidence.group}, "
        f"where the user's quota is {phrases.nodes(limit)}"
    )


def _quota_exceeded(evidence: _Evidence) -> str:
    if "limits" in evidence:
        return _over_quota(evidence)
    used, limit = evidence.number("used"), evidence.number("limit")
    level = evidence.word("level", "its priority")
    return (
        f"needs {evidence.needed} at {level} in {evidence.group}: "
        f"{used} of the user's quota of {limit} {are(used)} in use"
    )


def _over_quota(evidence: _Evidence) -> str:
    """Of containers on shared nodes."""
    short = [str(name) for name in evidence.items("short")]
    wanted = resources.text(evidence.mapping("asks"), short)
    limit = resources.text(evidence.mapping("limits"), short)
    used = resources.text(evidence.mapping("in_use"), short)
    told = f"asks for {wanted} in {evidence.group}, where the user's quota is {limit}"
    return f"{told}, and {used} are in use" if "in_use" in evidence else told


def _no_free_nodes(evidence: _Evidence) -> str:
    size, healthy, free = (evidence.number(key) for key in ("nodes", "healthy", "free"))
    start = f"waits for {evidence.needed}"
    if evidence.number("needed") > healthy:
        return f"{start}: only {healthy} of {size} in {evidence.group} {are(healthy)} healthy"
    facts = [f"{free} of {size} in {evidence.group} {are(free)} free"]
    if "fitting" in evidence and evidence.number("fitting") < free:
        fitting = evidence.number("fitting")
        facts.append(f"no more than {fitting} of them for one task, as they lie in several zones")
    busy = healthy - free
    holders = phrases.tasks(evidence.items("held_by"), evidence.number("held_by_more"))
    keepers = evidence.items("kept_for")
    if busy and holders:
        facts.append(f"{busy} {are(busy)} held by {holders}{_kept(evidence, busy)}")
    if evidence.number("leaving"):
        facts.append(f"{evidence.number('leaving')} will soon be free")
    if evidence.left("safe_until"):
        facts.append(f"the next slice ends in {evidence.left('safe_until')}")
    if keepers:
        facts.append(f"some of them kept for {phrases.tasks(keepers)}")
    if size > healthy:
        facts.append(f"{size - healthy} {are(size - healthy)} not healthy")
    return f"{start}: {', '.join(facts)}"


def _spot(evidence: _Evidence) -> str:
    return f"is spot: it starts on nodes of {evidence.group} that are free while nobody waits there"


def _no_room(evidence: _Evidence) -> str:
    asks, short = evidence.mapping("asks"), [str(name) for name in evidence.items("short")]
    if "largest" in evidence:
        most = resources.text(evidence.mapping("largest"), short)
        asked = resources.text(asks, short)
        return f"asks for {asked} of one node, and no node of {evidence.group} has more than {most}"
    free = resources.text(evidence.mapping("free"), short)
    where = f"{evidence.word('node', 'the freest node')} of {evidence.group}"
    holders = phrases.tasks(evidence.items("held_by"), evidence.number("held_by_more"))
    held = f"; the rest is held by {holders}" if holders else ""
    return f"asks for {resources.text(asks)}: {where} has {free} free{held}"


def _kept(evidence: _Evidence, busy: int) -> str:
    """How many of the busy nodes no slice frees."""
    own, higher = evidence.number("own"), evidence.number("higher")
    if higher == busy:
        return " at a higher priority"
    parts = [
        f"{own} by its user's own tasks, which are never interrupted for each other" if own else "",
        f"{higher} at a higher priority" if higher else "",
    ]
    told = "; ".join(part for part in parts if part)
    return f" ({told})" if told else ""


_PRICES: dict[str, str] = {
    Loss.QUOTA: "and does not run meanwhile, for it would take the quota that that one needs",
    Loss.TURN: "and does not run meanwhile, for others would then come first and take its nodes",
    Loss.NODES: "and does not run meanwhile, for it would take the nodes that that one needs",
}
_ONLY_BACKFILL = "and runs meanwhile as backfill at most, which ends when that one fits"


def _behind(evidence: _Evidence) -> str:
    place, head = evidence.number("position"), evidence.word("head", "")
    turn = f"is number {place} in its line" if place else "waits its turn"
    behind = f", behind task {head}" if head else ""
    price = _PRICES.get(evidence.word("spares", ""), "")
    if "as_backfill" in evidence:
        price = _ONLY_BACKFILL
    return f"{turn} in {evidence.group}{behind}{f' ({price})' if price else ''}"


def _handover(evidence: _Evidence) -> str:
    leavers = evidence.items("tasks")
    have = phrases.have(len(leavers))
    nodes = phrases.nodes(len(evidence.items("nodes")))
    return f"starts on {nodes} of {evidence.group} once {phrases.tasks(leavers)} {have} left"


def _paused(evidence: _Evidence) -> str:
    left = evidence.number("seconds")
    goes_on = f", and goes on in {phrases.span(left)} if it does not" if left else ""
    return f"waits because the platform is going down (hai-up down){goes_on}"


def _not_planned(_: _Evidence) -> str:
    return "waits for the next turn of the scheduler"


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
    WaitCode.SPOT: _spot,
    WaitCode.NO_ROOM: _no_room,
    WaitCode.NO_FREE_NODES: _no_free_nodes,
    WaitCode.BEHIND: _behind,
    WaitCode.HANDOVER: _handover,
    WaitCode.PAUSED: _paused,
    WaitCode.NOT_PLANNED: _not_planned,
}
