"""The scheduler's state follows the event log, and is the one that the store would make anew."""

from collections.abc import Collection

import pytest

from hai.core.node import NodeHealth
from hai.core.plan import Claim
from hai.core.policy import Policy
from hai.core.quota import EVERYONE, Quota
from hai.core.replay import replay
from hai.core.task import EventDraft
from hai.core.types import GroupName, NodeName, Priority, TaskId, TaskState
from hai.service.decision_recorder import DecisionRecorder
from hai.service.feed import StateFeed
from tests.unit.core.pictures import picture
from tests.unit.service.loop_bench import LoopBench


async def rebuilt(bench: LoopBench) -> StateFeed:
    journal = DecisionRecorder(bench.store, Policy(), 1e6)
    return StateFeed(bench.store, bench.clock, Policy(), journal)


async def check(bench: LoopBench) -> None:
    """What the loop has after catching up is what another one builds from the store."""
    followed = await bench.feed.catch_up()
    anew = await (await rebuilt(bench)).catch_up()
    assert picture(followed, with_shares=False) == picture(anew, with_shares=False)
    for name, group in anew.groups.items():
        for user in group.fair_share.users():
            mine = followed.group(name).fair_share.node_seconds(user, followed.now)
            assert abs(mine - group.fair_share.node_seconds(user, anew.now)) < 1e-6 * (1 + mine)


async def test_a_life_is_followed(bench: LoopBench) -> None:
    first = await bench.submit(nodes=1, seconds=3)
    await bench.run_once(bench.schedule)
    await check(bench)
    second = await bench.submit(nodes=2, priority=30)
    await bench.run_once(bench.schedule)
    await check(bench)
    for _ in range(5):
        bench.hollow.poke(first)
        await bench.clock.advance(1.0)
        await bench.run_once(bench.schedule)
        await check(bench)
    assert (await bench.state(second)).is_active
    await bench.stop(second)
    await bench.run_once(bench.schedule)
    await check(bench)


async def test_nodes_and_quotas_are_read_again_when_they_change(bench: LoopBench) -> None:
    await bench.submit(nodes=2)
    await bench.run_once(bench.schedule)
    event = EventDraft(kind="node.cordoned", actor="admin", at=bench.clock.now())
    await bench.store.set_node_health(NodeName("node-0"), NodeHealth.CORDONED, "", event)
    limit = Quota(EVERYONE, GroupName("training"), Priority.NORMAL, 1)
    event = EventDraft(kind="quota.set", actor="admin", at=bench.clock.now())
    await bench.store.put_quotas([limit], event)
    await bench.run_once(bench.schedule)
    state = bench.last_tick.state
    assert state is not None
    assert state.nodes[NodeName("node-0")].health is NodeHealth.CORDONED
    await check(bench)


async def test_who_lost_the_lead_builds_the_state_anew(bench: LoopBench) -> None:
    await bench.submit()
    await bench.run_once(bench.schedule)
    before = bench.last_tick.state
    bench.store.leads = False
    await bench.run_once(bench.schedule)
    bench.store.leads = True
    await bench.run_once(bench.schedule)
    assert bench.last_tick.state is not before


async def test_the_journal_of_a_life_decides_the_same_again(bench: LoopBench) -> None:
    victim = await bench.running(nodes=2)
    heir = await bench.submit(nodes=2, priority=30, seconds=1)
    for _ in range(8):
        await bench.run_once(bench.schedule)
        bench.hollow.poke(victim)
        bench.hollow.poke(heir)
        await bench.clock.advance(1.0)
    assert await bench.state(heir) is TaskState.SUCCEEDED
    records = await bench.store.journal(0.0, bench.clock.now())
    ticks = list(replay(records))
    kinds = {kind for tick in ticks for kind, of in tick.record.body["plan"].items() if of}
    assert {"starts", "suspends", "reasons"} <= kinds
    assert all(tick.is_intact and not tick.differences for tick in ticks)


async def loses_a_node_meanwhile(bench: LoopBench, monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on a node is lost just before the claims are read."""
    read = bench.store.claims

    async def claims(ids: Collection[TaskId] | None = None) -> list[Claim]:
        event = EventDraft(kind="node.suspect", actor="health", at=bench.clock.now())
        await bench.store.set_node_health(NodeName("node-0"), NodeHealth.SUSPECT, "lost:", event)
        return await read(ids)

    monkeypatch.setattr(bench.store, "claims", claims)


@pytest.mark.parametrize("is_followed", [True, False])
async def test_claims_are_never_newer_than_the_nodes(
    bench: LoopBench, monkeypatch: pytest.MonkeyPatch, is_followed: bool
) -> None:
    """Else a task that went back to its line with its node's loss would be given that node."""
    feed = await rebuilt(bench)
    if is_followed:
        await feed.catch_up()
    await bench.submit()
    await loses_a_node_meanwhile(bench, monkeypatch)
    state = await feed.catch_up()
    assert state.nodes[NodeName("node-0")].health is NodeHealth.SUSPECT
