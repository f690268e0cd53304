"""Records of a decision log, and what a test reads of them."""

from typing import Any

from hai.core.replay import TICK, Record
from hai.ports import Store


def record(at: float, kind: str = TICK, **body: Any) -> Record:
    return Record(at=at, kind=kind, policy="p", digest=f"d{at}", body={"inputs": [], **body})


async def fill(store: Store, *records: Record) -> None:
    for one in records:
        await store.append_journal(one)


def times(records: list[Record]) -> list[float]:
    return [one.at for one in records]
