"""A journal decides the same again, and tells where something else is decided."""

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hai.core.codec import (
    decode_delta,
    decode_policy,
    decode_snapshot,
    encode_delta,
    encode_plan,
    encode_policy,
    encode_snapshot,
)
from hai.core.inputs import Delta, Snapshot
from hai.core.plan import Plan
from hai.core.planner import plan
from hai.core.policy import Policy
from hai.core.quota import Quota
from hai.core.replay import SNAPSHOT, TICK, Record, digest, replay
from hai.core.types import NodeName, Priority, TaskId, TaskState, UserName
from hai.errors import InvalidInput
from tests.unit.core.clusters import AMPLE, GROUP, active, nodes, started, suspended, waiting
from tests.unit.core.pictures import picture
from tests.unit.core.random_clusters import NOW, Cluster, clusters

POLICY = Policy(slices={Priority.HIGH: 60.0}, weights={UserName("ada"): 2.5}, patience_seconds=7.0)
SOME = settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def again(data: Any) -> Any:
    """As it comes back from a file."""
    return json.loads(json.dumps(data))


def snapshot_of(cluster: Cluster) -> Snapshot:
    limits = cluster.quotas.limits.items()
    return Snapshot(
        now=NOW,
        policy=cluster.policy,
        nodes=cluster.nodes,
        quotas=tuple(Quota(*whose, count) for whose, count in limits),
        claims=cluster.claims,
        usage={(GROUP, UserName("ada")): (0.1 + 0.2, NOW - 1 / 3)},
    )


class Life:
    """A cluster that writes its journal while it lives: whoever starts runs, whoever is asked to
    leave has left by the next tick."""

    def __init__(self, snapshot: Snapshot) -> None:
        self.state = snapshot.state()
        self.now = snapshot.now
        self.records: list[Record] = []
        self._inputs: list[Delta] = []
        self._digest = ""
        self._append(SNAPSHOT, {"inputs": encode_snapshot(snapshot)})

    def _append(self, kind: str, body: dict[str, Any]) -> None:
        self._digest = digest(self._digest, body["inputs"])
        self.records.append(
            Record(
                at=self.now,
                kind=kind,
                policy=self.state.policy.version,
                digest=self._digest,
                body=again(body),
                id=len(self.records) + 1,
            )
        )

    def tick(self, seconds: float) -> None:
        self.now += seconds
        self._feed(self._departures())
        decided = plan(self.state, self.now)
        inputs = [encode_delta(delta) for delta in self._inputs]
        self._append(TICK, {"inputs": inputs, "plan": encode_plan(decided)})
        self._inputs = []
        self._feed(self._outcome(decided))

    def _feed(self, delta: Delta) -> None:
        delta.apply(self.state)
        self._inputs.append(delta)

    def _departures(self) -> Delta:
        leaving = [c for c in self.state.claims.values() if c.state is TaskState.SUSPENDING]
        return Delta(self.now, claims=tuple(suspended(claim, self.now) for claim in leaving))

    def _outcome(self, decided: Plan) -> Delta:
        claims = self.state.claims
        begun = [
            replace(
                started(claims[start.task_id], start.nodes, start.priority, self.now),
                backfill=start.backfill,
            )
            for start in decided.starts
        ]
        asked = [
            replace(
                claims[one.task_id],
                state=TaskState.SUSPENDING,
                suspended_at=self.now,
                for_task=one.for_task,
            )
            for one in decided.suspends
        ]
        return Delta(self.now, claims=(*begun, *asked))


@SOME
@given(clusters())
def test_snapshots_go_round(cluster: Cluster) -> None:
    snapshot = snapshot_of(cluster)
    back = decode_snapshot(again(encode_snapshot(snapshot)))
    assert back == snapshot
    assert picture(back.state()) == picture(snapshot.state())


def test_deltas_and_policies_go_round() -> None:
    delta = Delta(
        now=0.1 + 0.2,
        claims=(waiting(1, waits_for=(TaskId(3),), not_before=1e9 / 3), active(2, ["n0"])),
        ended=((TaskId(9), 4.5),),
        nodes=nodes(2, leaf="a", zone="east"),
        quotas=AMPLE,
    )
    assert decode_delta(again(encode_delta(delta))) == delta
    assert decode_delta(again(encode_delta(Delta(5.0)))) == Delta(5.0)
    assert decode_policy(again(encode_policy(POLICY))) == POLICY
    assert decode_policy({**encode_policy(POLICY), "of_tomorrow": 1}) == POLICY


@SOME
@given(clusters(), st.lists(st.sampled_from([0.0, 1.0, 700.0, 1800.0, 90_000.0]), max_size=8))
def test_a_journal_decides_the_same_again(cluster: Cluster, seconds: list[float]) -> None:
    life = Life(snapshot_of(cluster))
    for pause in seconds:
        life.tick(pause)
    ticks = list(replay(life.records))
    assert len(ticks) == len(seconds)
    assert all(tick.is_intact and not tick.differences for tick in ticks)


def lived() -> list[Record]:
    cluster = Cluster(nodes(3), (active(1, ["n0", "n1", "n2"], since=NOW), waiting(2, 2)), table())
    life = Life(snapshot_of(cluster))
    for seconds in (1.0, 1900.0, 5.0):
        life.tick(seconds)
    return life.records


def table() -> Any:
    from hai.core.quota import QuotaTable

    return QuotaTable.of(AMPLE)


def test_another_policy_decides_otherwise() -> None:
    found = list(replay(lived(), Policy(preemption=False)))
    differing = [one for one in found if one.differences]
    assert differing
    was, now = differing[0].differences["suspends"]
    assert was == [[1, 2]]
    assert now == []


def tampered(records: list[Record]) -> Iterator[Record]:
    for record in records:
        body = dict(record.body)
        if record.kind == TICK and body["inputs"]:
            body["inputs"] = [{**body["inputs"][0], "now": 1.0}, *body["inputs"][1:]]
        yield replace(record, body=body)


def test_changed_inputs_are_told() -> None:
    assert not all(tick.is_intact for tick in replay(tampered(lived())))


def test_a_changed_decision_is_told() -> None:
    records = lived()
    tick = next(r for r in records if r.kind == TICK and r.body["plan"]["suspends"])
    plan_data = {**tick.body["plan"], "suspends": []}
    records[records.index(tick)] = replace(tick, body={**tick.body, "plan": plan_data})
    assert [set(one.differences) for one in replay(records) if one.differences] == [{"suspends"}]


def test_a_journal_begins_with_a_snapshot() -> None:
    with pytest.raises(InvalidInput, match="does not begin with a snapshot"):
        list(replay(lived()[1:]))


def test_nodes_are_named_in_a_start() -> None:
    [first, *_] = [r for r in lived() if r.kind == TICK and r.body["plan"]["starts"]]
    assert first.body["plan"]["starts"][0][1] == [NodeName("n0"), NodeName("n1")]
