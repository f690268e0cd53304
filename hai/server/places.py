"""How many streams each user has open at this server, and how many may be."""

from collections import Counter
from collections.abc import Callable
from functools import partial

from hai.core.types import UserName
from hai.errors import TooMany


class StreamPlaces:
    """One place for each open stream."""

    def __init__(self, most: int) -> None:
        """`most`: of one user."""
        self._most = most
        self._taken: Counter[UserName] = Counter()

    def take(self, user: UserName) -> Callable[[], None]:
        """A place; call the result once to give it back. TooMany when the user has no more."""
        if self._taken[user] >= self._most:
            raise TooMany(
                f"{user} has {self._most:,} streams open at this server, and may have no more",
                hint="end some `hai-cli logs -f`, `wait` or `top`, or ask an admin to raise "
                "[server] streams_per_user",
            )
        self._taken[user] += 1
        return partial(self._give_back, user)

    def _give_back(self, user: UserName) -> None:
        self._taken[user] -= 1
        if not self._taken[user]:
            del self._taken[user]
