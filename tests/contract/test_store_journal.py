"""The decision log, the same in every store."""

from hai.core.replay import SNAPSHOT
from hai.ports import Store
from tests.contract.journal import fill, record, times


async def test_records_come_back_whole_and_in_order(store: Store) -> None:
    exact = 1_700_000_000.123456789
    await fill(
        store, record(exact, SNAPSHOT, inputs={"now": 0.1 + 0.2}), record(exact + 1, plan={"a": []})
    )
    first, second = await store.journal(exact, exact + 9)
    assert (first.at, first.kind, first.policy, first.digest) == (exact, SNAPSHOT, "p", f"d{exact}")
    assert first.body == {"inputs": {"now": 0.1 + 0.2}}
    assert second.body == {"inputs": [], "plan": {"a": []}}
    assert first.id < second.id


async def test_reading_begins_with_the_snapshot_before(store: Store) -> None:
    await fill(
        store,
        record(10.0, SNAPSHOT),
        record(11.0),
        record(20.0, SNAPSHOT),
        record(21.0),
        record(22.0),
    )
    assert times(await store.journal(21.5, 99.0)) == [20.0, 21.0, 22.0]
    assert times(await store.journal(15.0, 21.0)) == [10.0, 11.0, 20.0, 21.0]
    assert times(await store.journal(1.0, 11.0)) == [10.0, 11.0]
    assert await store.journal(1.0, 2.0) == []


async def test_reading_in_pages(store: Store) -> None:
    await fill(store, record(1.0, SNAPSHOT), record(2.0), record(3.0))
    page = await store.journal(1.0, 9.0, limit=2)
    assert times(page) == [1.0, 2.0]
    assert times(await store.journal(1.0, 9.0, after=page[-1].id, limit=2)) == [3.0]


async def test_pruning_keeps_what_later_records_build_on(store: Store) -> None:
    await fill(
        store, record(1.0, SNAPSHOT), record(2.0), record(3.0, SNAPSHOT), record(4.0), record(5.0)
    )
    assert await store.prune_journal(4.5) == 0
    assert await store.prune_journal(2.0) == 2
    assert times(await store.journal(0.0, 9.0)) == [3.0, 4.0, 5.0]
