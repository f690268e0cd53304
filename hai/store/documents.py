"""Documents as tasks share them: read once, kept for a while, bounded.

They never change, so what is kept is never wrong. Tasks of one submission have the same object.
"""

import asyncio
import json
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from hai.store.database import Read

_KEPT_BYTES = 32 * 2**20  # of JSON text
_IN_LOOP_BYTES = 64 * 1024  # larger ones are decoded in a thread
_AT_ONCE = 500  # in one query

Spec = Mapping[str, object]


class _Document(NamedTuple):
    spec: Spec
    size: int  # bytes as text


class Documents:
    """What was submitted, by id."""

    def __init__(self, kept_bytes: int = _KEPT_BYTES) -> None:
        self._most = kept_bytes
        self._kept: OrderedDict[int, _Document] = OrderedDict()
        self._bytes = 0

    async def of(self, read: Read, ids: Iterable[int]) -> dict[int, Spec]:
        """All of these that exist."""
        found: dict[int, Spec] = {}
        missing = []
        for one in ids:
            if one in found:
                continue
            kept = self._kept.get(one)
            if kept is None:
                missing.append(one)
            else:
                self._kept.move_to_end(one)
                found[one] = kept.spec
        for first in range(0, len(missing), _AT_ONCE):
            asked = missing[first : first + _AT_ONCE]
            for one, text in await read("documents", {"ids": asked}):
                found[one] = spec = await _decoded(text)
                self._keep(one, spec, len(text))
        return found

    def _keep(self, one: int, spec: Spec, size: int) -> None:
        old = self._kept.pop(one, None)
        self._bytes += size - (0 if old is None else old.size)
        self._kept[one] = _Document(spec, size)
        while self._bytes > self._most and len(self._kept) > 1:
            _, gone = self._kept.popitem(last=False)
            self._bytes -= gone.size


async def _decoded(text: str) -> Spec:
    if len(text) <= _IN_LOOP_BYTES:
        spec: Spec = json.loads(text)
        return spec
    return await asyncio.to_thread(json.loads, text)
