"""Slows down whoever guesses: after some failures a name or an address has to wait, longer each
time."""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

FREE_TRIES = 5
FIRST_WAIT_SECONDS = 2.0
LONGEST_WAIT_SECONDS = 300.0
FORGOTTEN_SECONDS = 900.0
_KEPT = 10_000


@dataclass(slots=True)
class _Record:
    failures: int = 0
    last_at: float = 0.0


class Throttle:
    """`clock` gives seconds that only grow."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._records: OrderedDict[str, _Record] = OrderedDict()

    def wait_seconds(self, *keys: str) -> float:
        """How long the next try has to wait; 0 when it may come now."""
        return max((self._wait(key) for key in keys), default=0.0)

    def _wait(self, key: str) -> float:
        record = self._records.get(key)
        if record is None or record.failures < FREE_TRIES:
            return 0.0
        doublings = min(record.failures - FREE_TRIES, 20)
        pause = min(FIRST_WAIT_SECONDS * float(2**doublings), LONGEST_WAIT_SECONDS)
        return max(0.0, record.last_at + pause - self._clock())

    def failed(self, *keys: str) -> None:
        now = self._clock()
        for key in keys:
            record = self._records.pop(key, None) or _Record()
            if now - record.last_at > FORGOTTEN_SECONDS:
                record = _Record()
            record.failures += 1
            record.last_at = now
            self._records[key] = record
        while len(self._records) > _KEPT:
            self._records.popitem(last=False)

    def passed(self, *keys: str) -> None:
        for key in keys:
            self._records.pop(key, None)
