"""What each reason says to people."""

from dataclasses import replace
from typing import get_args

import pytest

from hai.core.container_quota import ContainerLimits
from hai.core.reasons.kinds import (
    ArrayLimit,
    Backoff,
    Behind,
    ContainerQuotaExceeded,
    Containers,
    GroupTooSmall,
    GroupUnknown,
    Handover,
    Held,
    Holders,
    NoContainerQuota,
    NodesTooSmall,
    NoFreeNodes,
    NoQuota,
    NoRoom,
    NotPlanned,
    Paused,
    QuotaExceeded,
    Reason,
    Spot,
    Unhealthy,
    UnmetDependency,
)
from hai.core.resources import GIB, Resources
from hai.core.types import GroupName, Loss, NodeName, Priority, TaskId, WaitCode
from hai.wording.wait_reasons import text

NOW = 1000.0
GROUP = GroupName("training")
HIGH = Priority.HIGH
A, B = NodeName("a"), NodeName("b")
SEVEN, NINE = TaskId(7), TaskId(9)
HEAD = NoFreeNodes(
    group=GROUP, level=HIGH, needed=2, nodes=4, healthy=4, free=1, leaving=0, preemptible=0
)
BY_ONE = Holders(fitting=4, held_by=(SEVEN,), held_by_more=0, safe_until={}, own=0, higher=0)
BY_TWO = replace(BY_ONE, held_by=(SEVEN, NINE))
BEHIND = Behind(group=GROUP, level=HIGH, head=TaskId(12))
ASKS = Resources(2000, 4 * GIB, 1)
LIMITS = ContainerLimits(millicores=1000, containers=2)

SENTENCES: list[tuple[Reason, str]] = [
    (Held(), "is suspended until somebody resumes it"),
    (UnmetDependency(GROUP, (SEVEN, NINE)), "starts after tasks 7, 9"),
    (Backoff(GROUP, NOW + 90, 90), "is tried again in 90 s"),
    (Backoff(GROUP, NOW, 0), "is tried again later"),
    (ArrayLimit(GROUP, SEVEN, 3), "waits for its array, of which 3 may run at once"),
    (
        Spot(GROUP),
        "is spot: it starts on nodes of training that are free while nobody waits there",
    ),
    (
        GroupUnknown(group=GroupName("x"), needed=1, nodes=0, healthy=0),
        "waits for a group that has no nodes: x",
    ),
    (
        GroupTooSmall(group=GROUP, needed=8, nodes=4, healthy=3),
        "needs 8 nodes, more than the 4 (3 healthy) that training has",
    ),
    (
        Unhealthy(group=GROUP, needed=4, nodes=4, healthy=1),
        "needs 4 nodes: only 1 of 4 in training is healthy",
    ),
    (
        Unhealthy(group=GROUP, needed=6, nodes=6, healthy=6, in_two_zones=4),
        "needs 6 nodes: a task spans two zones at the most, and no two of training have more "
        "than 4 healthy ones",
    ),
    (
        NoQuota(group=GROUP, level=HIGH, needed=2, limit=1, used=0),
        "needs 2 nodes at HIGH in training, where the user's quota is 1 node",
    ),
    (
        QuotaExceeded(group=GROUP, level=HIGH, needed=2, limit=4, used=3),
        "needs 2 nodes at HIGH in training: 3 of the user's quota of 4 are in use",
    ),
    (
        NoContainerQuota(
            group=GROUP, level=HIGH, asks=Containers(1, ASKS), limits=LIMITS, short=("cpu",)
        ),
        "asks for 2 cpus in training, where the user's quota is 1 cpu",
    ),
    (
        ContainerQuotaExceeded(
            group=GROUP,
            level=HIGH,
            asks=Containers(1, ASKS),
            limits=LIMITS,
            short=("containers",),
            in_use=Containers(2, ASKS),
        ),
        "asks for 1 container in training, where the user's quota is 2 containers, and "
        "2 containers are in use",
    ),
    (
        NodesTooSmall(
            group=GROUP,
            needed=1,
            nodes=2,
            healthy=2,
            asks=ASKS,
            largest=Resources(8000, GIB, 1),
            short=("memory",),
        ),
        "asks for 4 GiB of memory of one node, and no node of training has more than 1 GiB of "
        "memory",
    ),
    (
        NoRoom(
            group=GROUP,
            level=HIGH,
            needed=1,
            nodes=2,
            healthy=2,
            asks=ASKS,
            short=("gpus",),
            node=A,
            free=Resources(8000, GIB, 0),
            held_by=(SEVEN,),
            held_by_more=2,
        ),
        "asks for 2 cpus, 4 GiB of memory and 1 GPU: a of training has 0 GPUs free; the rest is "
        "held by tasks 7 and 2 more",
    ),
    (HEAD, "waits for 2 nodes: 1 of 4 in training is free"),
    (
        replace(HEAD, holders=BY_TWO),
        "waits for 2 nodes: 1 of 4 in training is free, 3 are held by tasks 7, 9",
    ),
    (
        replace(HEAD, free=0, healthy=3, holders=replace(BY_ONE, held_by_more=2)),
        "waits for 2 nodes: 0 of 4 in training are free, 3 are held by tasks 7 and 2 more, "
        "1 is not healthy",
    ),
    (
        replace(HEAD, needed=4, healthy=3),
        "waits for 4 nodes: only 3 of 4 in training are healthy",
    ),
    (
        replace(
            HEAD,
            free=0,
            leaving=1,
            holders=replace(BY_TWO, own=3, safe_until={SEVEN: NOW - 5, NINE: NOW + 720}),
        ),
        "waits for 2 nodes: 0 of 4 in training are free, 4 are held by tasks 7, 9 (3 by its "
        "user's own tasks, which are never interrupted for each other), 1 will soon be free, "
        "the next slice ends in 12 min",
    ),
    (
        replace(HEAD, free=0, holders=replace(BY_TWO, own=1, higher=2)),
        "waits for 2 nodes: 0 of 4 in training are free, 4 are held by tasks 7, 9 (1 by its "
        "user's own tasks, which are never interrupted for each other; 2 at a higher priority)",
    ),
    (
        replace(HEAD, free=0, holders=replace(BY_ONE, higher=4)),
        "waits for 2 nodes: 0 of 4 in training are free, 4 are held by task 7 at a higher priority",
    ),
    (
        replace(HEAD, free=3, holders=replace(BY_ONE, held_by=(), fitting=2)),
        "waits for 2 nodes: 3 of 4 in training are free, no more than 2 of them for one task, "
        "as they lie in several zones",
    ),
    (replace(BEHIND, position=3), "is number 3 in its line in training, behind task 12"),
    (BEHIND, "waits its turn in training, behind task 12"),
    (replace(BEHIND, head=None), "waits its turn in training"),
    (
        replace(BEHIND, spares=Loss.QUOTA),
        "waits its turn in training, behind task 12 (and does not run meanwhile, for it would "
        "take the quota that that one needs)",
    ),
    (
        replace(BEHIND, spares=Loss.TURN),
        "waits its turn in training, behind task 12 (and does not run meanwhile, for others "
        "would then come first and take its nodes)",
    ),
    (
        replace(BEHIND, as_backfill=True),
        "waits its turn in training, behind task 12 (and runs meanwhile as backfill at most, "
        "which ends when that one fits)",
    ),
    (
        Handover(group=GROUP, level=HIGH, nodes=(A, B), tasks=(SEVEN,)),
        "starts on 2 nodes of training once task 7 has left",
    ),
    (
        Handover(group=GROUP, level=HIGH, nodes=(A,), tasks=(SEVEN, TaskId(8))),
        "starts on 1 node of training once tasks 7, 8 have left",
    ),
    (
        Paused(15),
        "waits because the platform is going down (hai-up down), and goes on in 15 s if it does "
        "not",
    ),
    (NotPlanned(), "waits for the next turn of the scheduler"),
]


@pytest.mark.parametrize(("reason", "expected"), SENTENCES)
def test_sentences(reason: Reason, expected: str) -> None:
    assert text(reason, NOW) == expected


def test_every_reason_and_every_code_is_among_them() -> None:
    assert {type(reason) for reason, _ in SENTENCES} == set(get_args(Reason))
    assert {reason.code for reason, _ in SENTENCES} == set(WaitCode)


def test_without_the_time_a_sentence_stays_as_it_is() -> None:
    told = text(replace(HEAD, holders=replace(BY_ONE, safe_until={SEVEN: NOW + 720})))
    assert told == "waits for 2 nodes: 1 of 4 in training is free, 3 are held by task 7"
