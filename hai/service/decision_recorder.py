"""The decision log: the inputs, decisions and reasons of every tick that decided something.

It is written before the decisions are applied. From a snapshot on it holds every input of the
planner, so that a tick can be decided again, by this or by later code (hai.core.replay).
"""

import asyncio
from collections.abc import Mapping
from typing import Any

from hai.core.codec import encode_delta, encode_plan, encode_snapshot
from hai.core.inputs import Delta, Snapshot
from hai.core.plan import Plan
from hai.core.policy import DAY, Policy
from hai.core.replay import SNAPSHOT, TICK, Record, digest
from hai.ports import DecisionLog

_MOST_INPUTS = 500  # in one record, decided or not
_SNAPSHOT_SECONDS = DAY


class DecisionRecorder:
    """Listens to the feed; the schedule loop says what came of it."""

    def __init__(self, store: DecisionLog, policy: Policy, keep_seconds: float) -> None:
        self._store = store
        self._version = policy.version
        self._keep_seconds = keep_seconds
        self._snapshot: Snapshot | None = None
        self._inputs: list[Delta] = []
        self._digest = ""
        self._snapshot_at: float | None = None

    def began(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot
        self._inputs = []

    def changed(self, delta: Delta) -> None:
        self._inputs.append(delta)

    def wants_snapshot(self, now: float) -> bool:
        """Whether the last snapshot is so old that a replay from it would take long."""
        return self._snapshot_at is not None and now - self._snapshot_at > _SNAPSHOT_SECONDS

    async def write(self, decided: Plan, now: float) -> None:
        """What was decided at `now`; nothing if that is nothing."""
        if self._snapshot is not None:
            await self._write_snapshot(self._snapshot)
            self._snapshot = None
        if decided.decides or len(self._inputs) >= _MOST_INPUTS:
            inputs = [encode_delta(delta) for delta in self._inputs]
            body = {"inputs": inputs, "plan": encode_plan(decided)}
            await self._append(TICK, body, now)
            self._inputs = []

    async def _write_snapshot(self, snapshot: Snapshot) -> None:
        inputs = await asyncio.to_thread(encode_snapshot, snapshot)
        self._digest = ""
        await self._append(SNAPSHOT, {"inputs": inputs}, snapshot.now)
        self._snapshot_at = snapshot.now
        await self._store.prune_journal(self._keep_seconds)

    async def _append(self, kind: str, body: Mapping[str, Any], now: float) -> None:
        chained = digest(self._digest, body["inputs"])
        record = Record(at=now, kind=kind, policy=self._version, digest=chained, body=body)
        await self._store.append_journal(record)
        self._digest = chained
