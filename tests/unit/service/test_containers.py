"""What a dev container asks of a shared node, and what is refused at once."""

from dataclasses import replace
from typing import Any

import pytest

from hai.core.container_quota import ContainerLimits
from hai.core.node import NodeHealth
from hai.core.quota import QuotaTable
from hai.core.resources import GIB, Resources
from hai.core.types import GroupName, UserName
from hai.errors import InvalidInput, OverQuota
from hai.schema.submission import Submission
from hai.service.containers import Sharing, check_containers, is_spot
from hai.service.shape import Shape
from tests.factories import node, run_spec, task, task_draft

LAB, WHOLE = GroupName("lab_a"), GroupName("training")
ALICE, BOB = UserName("alice"), UserName("bob")
SHARING = Sharing(lambda group: group.startswith("lab_"), Resources(2000, 8 * GIB))
SHAPE = Shape(
    {LAB: 1, GroupName("lab_b"): 1, WHOLE: 1},
    QuotaTable(),
    nodes={
        LAB: (Resources(16_000, 64 * GIB, 2), Resources(32_000, 4 * GIB, 0)),
        GroupName("lab_b"): (Resources(1000, GIB),),
        WHOLE: (Resources(8000, 32 * GIB, 8),),
    },
    containers={(BOB, LAB): ContainerLimits(1500, None, 1, 2)},
)


def submission(kind: str = "jupyter", **resource: Any) -> Submission:
    return Submission.model_validate(run_spec(task_type=kind, resource=resource))


@pytest.mark.parametrize(
    ("group", "user", "resource", "asks"),
    [
        pytest.param(LAB, ALICE, {}, Resources(2000, 8 * GIB), id="the defaults"),
        pytest.param("lab_b", ALICE, {}, Resources(1000, GIB), id="no more than a node has"),
        pytest.param(LAB, BOB, {}, Resources(1500, 8 * GIB), id="no more than the quota"),
        pytest.param(
            LAB,
            ALICE,
            {"cpu": 0.25, "memory": 0.5, "gpu": 2},
            Resources(250, GIB // 2, 2),
            id="as it says",
        ),
        pytest.param(WHOLE, ALICE, {}, None, id="a whole node"),
        pytest.param(WHOLE, ALICE, {"is_spot": True}, None, id="spot"),
    ],
)
def test_what_it_asks_for(
    group: str, user: UserName, resource: dict[str, Any], asks: Resources | None
) -> None:
    assert SHARING.asked(user, submission(**resource), GroupName(group), SHAPE) == asks


@pytest.mark.parametrize(
    ("group", "kind", "resource", "said"),
    [
        (LAB, "training", {}, "shared by dev containers"),
        (WHOLE, "jupyter", {"cpu": 1}, "gives whole nodes"),
        (LAB, "jupyter", {"is_spot": True}, "a spot container holds whole ones"),
        (LAB, "jupyter", {"gpu": 3}, "3 GPUs were asked for, and no node of lab_a has more than 2"),
        (LAB, "jupyter", {"cpu": 20, "memory": 32}, "no node of lab_a has 20 cpus, 32 GiB"),
        (LAB, "jupyter", {"memory": 0.01}, "too little for a container"),
    ],
)
def test_what_is_refused(group: GroupName, kind: str, resource: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        SHARING.asked(ALICE, submission(kind, **resource), group, SHAPE)


def test_where_it_goes_without_a_group() -> None:
    assert SHARING.default_group(submission(), SHAPE) == LAB
    assert SHARING.default_group(submission("training"), SHAPE) is None
    assert SHARING.default_group(submission(is_spot=True), SHAPE) is None
    assert not is_spot(submission("training", is_spot=True))


def test_what_is_over_the_quota_by_itself() -> None:
    draft = task_draft(user=BOB, group=LAB)
    check_containers(draft, Resources(1500, 64 * GIB, 1), SHAPE)
    with pytest.raises(OverQuota, match=r"2 cpus .* over the quota of bob: 1\.5 cpus"):
        check_containers(draft, Resources(2000, GIB, 1), SHAPE)
    with pytest.raises(OverQuota, match="3 containers"):
        check_containers(task_draft(user=BOB, group=LAB, nodes=3), Resources(1, GIB), SHAPE)


def test_what_is_free_of_a_node_that_is_shared() -> None:
    has = node("s", group=LAB, cpus=4.0, memory_bytes=8 * GIB, gpus=1)
    held = [task(asks=Resources(1500, 3 * GIB, 1)), task(asks=Resources(500, GIB))]
    assert SHARING.free_of(has, held) == Resources(2000, 4 * GIB, 0)
    assert SHARING.free_of(has, [task()]) == Resources(), "one holds all of it"
    drained = replace(has, health=NodeHealth.DRAINED)
    assert SHARING.free_of(drained, []) == Resources()
    assert SHARING.free_of(replace(has, group=WHOLE), []) is None
