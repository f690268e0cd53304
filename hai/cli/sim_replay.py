"""Reads the scheduler's decision log, from a server or a file, and decides its ticks again."""

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from hai.cli.sim_inputs import readable
from hai.client.http import HaiClient
from hai.console.output import Column, ListLayout
from hai.core.policy import Policy
from hai.core.replay import Record, Replayed, replay
from hai.errors import InvalidInput

_PAGE = 100
_KEYS = ("at", "kind", "policy", "digest", "inputs")


def fetch(client: HaiClient, since: str | None, until: str | None) -> Iterator[Mapping[str, Any]]:
    """Every record of the time asked for, and those back to the snapshot before it."""
    after = 0
    while True:
        params = {"since": since, "until": until, "after": after, "limit": _PAGE}
        page = client.call("journal", params=params)["records"]
        yield from page
        if len(page) < _PAGE:
            return
        after = page[-1]["id"]


def load(file: str) -> Iterator[Mapping[str, Any]]:
    """Records that were saved, one JSON object a line."""
    path = Path(file)
    with readable(path, "journal"), path.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            found = json.loads(line)
            missing = [key for key in _KEYS if not isinstance(found, dict) or key not in found]
            if missing:
                raise InvalidInput(
                    f"line {number} is no record of a decision log: it has no {missing[0]}",
                    hint="save one with: hai-cli sim replay --save FILE",
                )
            yield found


def saved(records: Iterable[Mapping[str, Any]], file: str) -> Iterator[Mapping[str, Any]]:
    """The records, written to a file of their owner's on the way."""
    path = Path(file)
    with readable(path, "journal"):
        path.touch(mode=0o600)
        with path.open("w", encoding="utf-8") as lines:
            for record in records:
                lines.write(json.dumps(record, separators=(",", ":")) + "\n")
                yield record


def replayed(
    records: Iterable[Mapping[str, Any]], since: float | None, policy: Policy | None
) -> Iterator[Replayed]:
    """Every tick at or after `since`, decided again."""
    for one in replay((_record(data) for data in records), policy):
        if since is None or one.record.at >= since:
            yield one


def _record(data: Mapping[str, Any]) -> Record:
    body = {key: data[key] for key in ("inputs", "plan") if key in data}
    return Record(
        at=data["at"],
        kind=data["kind"],
        policy=data["policy"],
        digest=data["digest"],
        body=body,
        id=data.get("id", 0),
    )


def row_of(one: Replayed) -> dict[str, Any]:
    """A tick that was decided otherwise, or whose inputs are not what they were."""
    return {
        "id": one.record.id,
        "at": one.record.at,
        "policy": one.record.policy,
        "intact": one.is_intact,
        "differences": {
            part: {"recorded": was, "now": becomes}
            for part, (was, becomes) in one.differences.items()
        },
    }


def differences_layout() -> ListLayout:
    columns = (
        Column("id", "RECORD", right=True),
        Column("at", "AT", lambda row: f"{row['at']:.3f}", right=True),
        Column("policy", "POLICY"),
        Column("differs", "DIFFERS", _differs),
    )
    return ListLayout(columns, "id", ("id", "at", "policy", "intact", "differences"))


def _differs(row: Mapping[str, Any]) -> str:
    parts = ", ".join(row["differences"])
    return parts if row["intact"] else f"{parts or '-'} (its inputs were changed)"
