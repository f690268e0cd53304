"""Slows down whoever guesses: after some failures a name or an address has to wait, longer each
time."""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

FREE_TRIES = 5
ADDRESS_FREE_TRIES = 30  # of all users of one address together
FIRST_WAIT_SECONDS = 2.0
LONGEST_WAIT_SECONDS = 300.0
FORGOTTEN_SECONDS = 900.0
_KEPT = 10_000


@dataclass(slots=True)
class _Record:
    failures: int = 0
    last_at: float = 0.0


class Throttle:
    """`clock` gives seconds that only grow. A try counts as failed from its beginning, so that many
    at once are no way around it. `free_tries`: how many may fail before the waiting begins."""

    def __init__(self, clock: Callable[[], float], free_tries: int = FREE_TRIES) -> None:
        self._clock = clock
        self._free_tries = free_tries
        self._records: OrderedDict[str, _Record] = OrderedDict()

    def wait_seconds(self, key: str) -> float:
        """How long the next try has to wait; 0 when it may come now."""
        record = self._records.get(key)
        if record is None or record.failures < self._free_tries:
            return 0.0
        doublings = min(record.failures - self._free_tries, 20)
        pause = min(FIRST_WAIT_SECONDS * float(2**doublings), LONGEST_WAIT_SECONDS)
        return max(0.0, record.last_at + pause - self._clock())

    def failed(self, key: str) -> None:
        now = self._clock()
        record = self._records.pop(key, None) or _Record()
        if now - record.last_at > FORGOTTEN_SECONDS:
            record = _Record()
        record.failures += 1
        record.last_at = now
        self._records[key] = record
        while len(self._records) > _KEPT:
            self._records.popitem(last=False)

    def taken_back(self, key: str) -> None:
        """One try was none: it succeeded, or nobody could tell."""
        record = self._records.get(key)
        if record is not None:
            record.failures -= 1
            if record.failures <= 0:
                del self._records[key]

    def passed(self, key: str) -> None:
        self._records.pop(key, None)


class LoginThrottle:
    """By address, and by user from one address: whoever guesses at somebody's name elsewhere locks
    nobody out, and whoever logs in as somebody wipes out nothing that others did."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._by_user = Throttle(clock)
        self._by_address = Throttle(clock, ADDRESS_FREE_TRIES)

    def begin(self, user: str, address: str) -> float:
        """0 when the try may be made; else how long it has to wait."""
        both = f"{address} {user}"
        wait = max(self._by_user.wait_seconds(both), self._by_address.wait_seconds(address))
        if wait <= 0:
            self._by_user.failed(both)
            self._by_address.failed(address)
        return wait

    def passed(self, user: str, address: str) -> None:
        self._by_user.passed(f"{address} {user}")
        self._by_address.taken_back(address)

    def undecided(self, user: str, address: str) -> None:
        self._by_user.taken_back(f"{address} {user}")
        self._by_address.taken_back(address)
