"""The decision log's records as rows: JSON, compressed."""

import json
import zlib
from typing import Any

from hai.core.replay import Record
from hai.store import rows


def parameters(record: Record) -> dict[str, object]:
    """Of the query that appends it. The body repeats the time: a column has only microseconds."""
    body = rows.json_of({"at": record.at, **record.body})
    return {
        "at": rows.timestamp(record.at),
        "kind": record.kind,
        "policy": record.policy,
        "digest": record.digest,
        "body": zlib.compress(body.encode()),
    }


def record_of(row: Any) -> Record:
    number, _, kind, policy, digest, packed = row
    body = json.loads(zlib.decompress(packed))
    return Record(id=number, at=body.pop("at"), kind=kind, policy=policy, digest=digest, body=body)
