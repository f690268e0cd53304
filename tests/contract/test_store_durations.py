"""The behaviour of every Store: how long finished tasks ran."""

from dataclasses import replace

from hai.core.past_runs import PastRuns
from hai.core.types import GroupName, TaskState, UserName
from hai.ports import Store
from tests import factories as make
from tests.contract.stored import add, put

ALICE, BOB = UserName("alice"), UserName("bob")
TRAINING, OTHER = GroupName("training"), GroupName("other")
NOW = make.NOW


async def ran(
    store: Store,
    name: str,
    seconds: float,
    *,
    user: UserName = ALICE,
    group: GroupName = TRAINING,
    state: TaskState = TaskState.SUCCEEDED,
    ended_at: float | None = NOW,
) -> None:
    (task,) = await add(store, make.task_draft(name=name, user=user, group=group))
    await put(store, task, state=state, ran_seconds=seconds, ended_at=ended_at)


async def test_running_times_are_told_by_name_by_user_and_of_all(store: Store) -> None:
    for number, seconds in enumerate([100.0, 200.0, 400.0], 1):
        await ran(store, f"train-{number}_[{number}].py", seconds)
    await ran(store, "eval", 10.0)
    await ran(store, "eval", 1000.0, user=BOB)
    assert [rounded(row) for row in await store.durations(TRAINING, NOW - 60)] == [
        PastRuns(None, None, 5, 100.0, 200.0, 760.0),
        PastRuns(ALICE, None, 4, 77.5, 150.0, 340.0),
        PastRuns(ALICE, "eval", 1, 10.0, 10.0, 10.0),
        PastRuns(ALICE, "train-#_[#].py", 3, 150.0, 200.0, 360.0),
        PastRuns(BOB, None, 1, 1000.0, 1000.0, 1000.0),
        PastRuns(BOB, "eval", 1, 1000.0, 1000.0, 1000.0),
    ]


def rounded(row: PastRuns) -> PastRuns:
    p25, p50, p90 = (round(seconds, 6) for seconds in (row.p25, row.p50, row.p90))
    return replace(row, p25=p25, p50=p50, p90=p90)


async def test_only_what_succeeded_there_and_lately_counts(store: Store) -> None:
    await ran(store, "failed", 5.0, state=TaskState.FAILED)
    await ran(store, "stopped", 5.0, state=TaskState.STOPPED)
    await ran(store, "suspended", 5.0, state=TaskState.SUSPENDED, ended_at=None)
    await ran(store, "elsewhere", 5.0, group=OTHER)
    await ran(store, "old", 5.0, ended_at=NOW - 61)
    assert await store.durations(TRAINING, NOW - 60) == []
    assert await store.durations(GroupName("nowhere"), 0.0) == []
    await ran(store, "young", 7.0, ended_at=NOW - 60)
    assert [row.count for row in await store.durations(TRAINING, NOW - 60)] == [1, 1, 1]
