"""From rows to what the planner is given."""

from collections.abc import Sequence

from hai.core.claims import LatestAttempt, make_claim
from hai.core.past_runs import PastRuns
from hai.core.plan import Claim
from hai.core.types import GroupName, UserName
from hai.ports import Usage
from hai.store.rows import LEVELS, STATES, Row, asks_of, seconds_of


def claim_of(row: Row) -> Claim:
    """A row of query `claims`."""
    (id_, user, group, nodes, priority, state, submitted_at, held, custom_rank) = row[:9]
    (queued_at, ran_seconds, first, not_before, waits_for, array, array_limit) = row[9:16]
    yielded_at, (asks, gpus, spot) = row[20], row[24:]
    return make_claim(
        _latest_attempt(row[16:24], gpus),
        task_id=id_,
        user=user,
        group=group,
        nodes=nodes,
        priority=LEVELS[priority],
        state=STATES[state],
        submitted_at=submitted_at.timestamp(),
        held=held,
        custom_rank=custom_rank,
        queued_at=seconds_of(queued_at),
        suspended_at=seconds_of(yielded_at),
        ran_seconds=ran_seconds,
        first=first,
        not_before=seconds_of(not_before),
        waits_for=tuple(waits_for),
        array=array,
        array_limit=array_limit,
        asks=asks_of(asks),
        spot=spot,
    )


def _latest_attempt(row: Row, gpus: Sequence[Sequence[int]] | None) -> LatestAttempt | None:
    """Of columns 16 to 23; None when there was none."""
    nodes, priority, created_at, started_at, _yielded_at, saved_at, backfill, for_task = row
    if not nodes:
        return None
    return LatestAttempt(
        nodes=tuple(nodes),
        priority=LEVELS[priority],
        created_at=created_at.timestamp(),
        started_at=seconds_of(started_at),
        saved_at=seconds_of(saved_at),
        backfill=backfill,
        for_task=for_task,
        gpu_indices=gpus or (),
    )


def usage_of(row: Row) -> Usage:
    user, group, node_seconds, last_start = row
    return Usage(UserName(user), GroupName(group), float(node_seconds), seconds_of(last_start))


def past_runs_of(row: Row) -> PastRuns:
    """A row of query `durations`."""
    user, name, count, (p25, p50, p90) = row
    return PastRuns(None if user is None else UserName(user), name, count, p25, p50, p90)
