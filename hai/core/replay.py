"""Run recorded inputs through today's planner and tell where it decides otherwise.

A decision log is a sequence of records: a snapshot, then ticks with the changes since the last
record and the plan that was made of them. A later snapshot begins anew.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from hai.core.codec import decode_delta, decode_snapshot, encode_plan
from hai.core.planner import plan
from hai.core.policy import Policy
from hai.core.state import SchedulerState
from hai.errors import InvalidInput

SNAPSHOT, TICK = "snapshot", "tick"


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One line of the decision log. `digest` covers this record's inputs and, by the digest before,
    all of them since the snapshot; `policy` is the version that decided."""

    at: float
    kind: str
    policy: str
    digest: str
    body: Mapping[str, Any]
    id: int = 0


@dataclass(frozen=True, slots=True)
class Replayed:
    """One recorded tick, decided again. `differences` names each part of the plan that differs:
    what was recorded, and what would be decided now."""

    record: Record
    differences: Mapping[str, tuple[Any, Any]]
    is_intact: bool  # the inputs are those that the digest was made of


def digest(before: str, inputs: object) -> str:
    """Of these inputs (JSON data) after those that led to the digest `before`."""
    text = json.dumps(inputs, sort_keys=True, separators=(",", ":"))
    return hashlib.blake2b(f"{before}\n{text}".encode(), digest_size=16).hexdigest()


def replay(records: Iterable[Record], policy: Policy | None = None) -> Iterator[Replayed]:
    """Every recorded tick decided again, with the recorded policy or with this one.

    InvalidInput if the records do not begin with a snapshot.
    """
    state: SchedulerState | None = None
    chain = ""
    for record in records:
        inputs = record.body["inputs"]
        is_snapshot = record.kind == SNAPSHOT
        chain = digest("" if is_snapshot else chain, inputs)
        if is_snapshot:
            state = _begin(inputs, policy)
            continue
        if state is None:
            raise InvalidInput(
                "the decision log does not begin with a snapshot",
                hint="ask for an earlier --from: the server adds the snapshot before it",
            )
        yield _again(state, record, is_intact=chain == record.digest)


def _begin(inputs: Mapping[str, Any], policy: Policy | None) -> SchedulerState:
    snapshot = decode_snapshot(inputs)
    return (snapshot if policy is None else replace(snapshot, policy=policy)).state()


def _again(state: SchedulerState, record: Record, *, is_intact: bool) -> Replayed:
    for delta in record.body["inputs"]:
        decode_delta(delta).apply(state)
    decided = _json(encode_plan(plan(state, record.at)))
    recorded = record.body["plan"]
    parts = sorted({*decided, *recorded})
    differences = {
        part: (recorded.get(part), decided.get(part))
        for part in parts
        if recorded.get(part) != decided.get(part)
    }
    return Replayed(record, differences, is_intact)


def _json(data: object) -> Any:
    """As it comes back from the decision log."""
    return json.loads(json.dumps(data))
