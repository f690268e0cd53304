"""Clusters drawn by hypothesis: values that a state can be built of, over and over."""

from collections.abc import Sequence
from dataclasses import fields, replace

from hypothesis import strategies as st

from hai.core.node import Node, NodeHealth
from hai.core.plan import Claim
from hai.core.policy import Policy
from hai.core.quota import Quota, QuotaTable
from hai.core.state import SchedulerState, build_state
from hai.core.types import GroupName, NodeName, Priority, TaskId, TaskState, UserName

GROUPS = [GroupName("training"), GroupName("jupyter")]
USERS = [UserName(name) for name in ("ada", "bob", "eve")]
FEW_LEVELS = [Priority.LOW, Priority.NORMAL, Priority.ABOVE_NORMAL]
ASKED = [*FEW_LEVELS, Priority.AUTO]
NOW = 10_000.0
POLICY = Policy()
SLICE = POLICY.slice_seconds


class Cluster:
    """Values that a state can be built of, over and over."""

    def __init__(
        self,
        nodes: tuple[Node, ...],
        claims: tuple[Claim, ...],
        quotas: QuotaTable,
        policy: Policy = POLICY,
    ) -> None:
        self.nodes = nodes
        self.claims = claims
        self.quotas = quotas
        self.policy = policy

    def __repr__(self) -> str:
        """Only what differs from the defaults: a failing example should fit a screen."""
        values: list[Node | Claim | Policy] = [*self.nodes, *self.claims, self.policy]
        limits = {f"{u} {g} {p.name}": n for (u, g, p), n in self.quotas.limits.items()}
        return "\n".join([*(_brief(value) for value in values), f"{limits}"])

    def state(self) -> SchedulerState:
        return build_state(self.policy, self.nodes, self.quotas, self.claims, NOW)


def _brief(value: Node | Claim | Policy) -> str:
    told = [
        f"{one.name}={getattr(value, one.name)!s}"
        for one in fields(value)
        if getattr(value, one.name) != one.default
    ]
    return f"{type(value).__name__}({', '.join(told)})"


@st.composite
def member_lists(draw: st.DrawFn) -> tuple[Node, ...]:
    healths = st.sampled_from([NodeHealth.READY] * 5 + list(NodeHealth))
    leaves = st.sampled_from(["", "a", "b"])
    zones = st.sampled_from(draw(st.sampled_from([[""], ["", ""], ["east", "west"]])))
    count = draw(st.integers(0, 8))
    return tuple(
        Node(
            NodeName(f"n{number}"),
            draw(st.sampled_from(GROUPS)) if number > 5 else GROUPS[0],
            "hollow",
            leaf=draw(leaves),
            zone=draw(zones),
            health=draw(healths),
        )
        for number in range(count)
    )


@st.composite
def waiting_claims(draw: st.DrawFn, task_id: int, asked: Sequence[Priority]) -> Claim:
    submitted_at = NOW - draw(st.integers(1, 6)) * 1000.0
    suspended = draw(st.booleans())
    rare = st.integers(0, 9).map(lambda number: number == 0)
    return Claim(
        task_id=TaskId(task_id),
        user=draw(st.sampled_from(USERS)),
        group=draw(st.sampled_from([GROUPS[0]] * 4 + GROUPS)),
        nodes=draw(st.integers(1, 5)),
        priority=draw(st.sampled_from(asked)),
        state=TaskState.SUSPENDED if suspended else TaskState.QUEUED,
        submitted_at=submitted_at,
        queued_at=draw(st.sampled_from([None, submitted_at + 500.0])) if suspended else None,
        suspended_at=draw(st.sampled_from([None, submitted_at + 400.0])) if suspended else None,
        ran_seconds=draw(st.sampled_from([0.0, 0.0, 0.0, 3000.0])) if suspended else 0.0,
        held=draw(rare),
        first=draw(rare),
        waits_for=(TaskId(99),) if draw(rare) else (),
        not_before=NOW + 500.0 if draw(rare) else None,
        array=TaskId(1) if draw(rare) else None,
        array_limit=2,
        custom_rank=float(draw(st.integers(0, 2))),
    )


@st.composite
def clusters(
    draw: st.DrawFn,
    *,
    asked: Sequence[Priority] = ASKED,
    leaving: bool = True,
    least_limit: int = 0,
) -> Cluster:
    members = draw(member_lists())
    limits = st.integers(least_limit, least_limit + 8)
    quotas = [
        Quota(user, group, level, draw(limits))
        for user in USERS
        for group in GROUPS
        for level in FEW_LEVELS
    ]
    states = [TaskState.STARTING, TaskState.RUNNING]
    states += [TaskState.SUSPENDING, TaskState.STOPPING] if leaving else []
    free = {group: [node.name for node in members if node.group == group] for group in GROUPS}
    claims = []
    for task_id in range(1, draw(st.integers(0, 14)) + 1):
        claim = draw(waiting_claims(task_id, asked))
        holds = tuple(free[claim.group][: claim.nodes])
        if len(holds) == claim.nodes and draw(st.booleans()):
            del free[claim.group][: claim.nodes]
            charged = claim.priority
            if charged is Priority.AUTO:
                charged = draw(st.sampled_from(FEW_LEVELS))
            claim = replace(
                claim,
                state=draw(st.sampled_from(states)),
                holds=holds,
                held=False,
                waits_for=(),
                not_before=None,
                charged=charged,
                since=NOW - draw(st.integers(0, 4)) * 900.0,
                backfill=draw(st.integers(0, 3)) == 0,
            )
        claims.append(claim)
    return Cluster(members, tuple(claims), QuotaTable.of(quotas))


@st.composite
def gangs_that_wait(draw: st.DrawFn) -> Cluster:
    """Some nodes are free, the others held by single tasks mostly within their slices; wide and
    narrow tasks wait, and quotas are about as wide as the cluster."""
    count = draw(st.integers(3, 8))
    members = tuple(Node(NodeName(f"n{number}"), GROUPS[0], "hollow") for number in range(count))
    levels = [Priority.LOW, Priority.NORMAL]
    limits = st.integers(1, count + 2)
    quotas = [Quota(user, GROUPS[0], level, draw(limits)) for user in USERS for level in levels]
    holders = [
        Claim(
            task_id=TaskId(number + 1),
            user=draw(st.sampled_from(USERS)),
            group=GROUPS[0],
            nodes=1,
            priority=Priority.NORMAL,
            state=TaskState.RUNNING,
            submitted_at=NOW - 5000.0,
            holds=(members[number].name,),
            charged=Priority.NORMAL,
            since=NOW - draw(st.sampled_from([0.0, 0.0, 900.0, 2700.0])),
        )
        for number in range(draw(st.integers(1, count - 1)))
    ]
    waiters = [
        Claim(
            task_id=TaskId(number),
            user=draw(st.sampled_from(USERS)),
            group=GROUPS[0],
            nodes=draw(st.integers(1, count)),
            priority=draw(st.sampled_from([Priority.NORMAL, Priority.NORMAL, Priority.AUTO])),
            state=TaskState.QUEUED,
            submitted_at=NOW - draw(st.sampled_from([100.0, 200.0, 3000.0])),
        )
        for number in range(11, 11 + draw(st.integers(2, 6)))
    ]
    return Cluster(members, (*holders, *waiters), QuotaTable.of(quotas))
