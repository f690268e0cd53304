"""The scheduling policy: every knob in one value, with its default.

Durations are seconds. docs/scheduling.md tells what each knob does, with examples.
"""

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields

from hai.core.types import GroupName, Priority, UserName
from hai.errors import InvalidInput

MINUTE = 60.0
HOUR = 3600.0
DAY = 86400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """Knobs of the planner; InvalidInput names the first one that makes no sense.

    Two policies with the same `version` decide alike.
    """

    preemption: bool = True  # may anybody be suspended for somebody else
    backfill: bool = True  # may others run in the shadow of a gang that does not fit yet
    slice_seconds: float = 30 * MINUTE  # the running time that a start is sure of among equals
    slices: Mapping[Priority, float] = field(default_factory=dict)  # other slices, by priority
    half_life_seconds: float = DAY  # of the usage that decides whose turn it is
    weights: Mapping[UserName, float] = field(default_factory=dict)  # 1 for whoever is not named
    patience_seconds: float = 30 * MINUTE  # a user who waited this long is served before all turns
    demote_after_seconds: float = 30 * MINUTE  # ABOVE_NORMAL becomes NORMAL; 0: never
    lost_work_cap_seconds: float = 4 * HOUR  # no task is dearer than this, checkpoint or not
    shared_prefix: str = ""  # containers share the nodes of groups whose names begin so; "": none

    def __post_init__(self) -> None:
        _require("slice_seconds", self.slice_seconds, above=0.0)
        for name in ("patience_seconds", "demote_after_seconds", "lost_work_cap_seconds"):
            _require(name, getattr(self, name), least=0.0)
        for level, seconds in self.slices.items():
            _require(f"slices.{level.name}", seconds, above=0.0)
        # shorter ones would have turns forgotten before they are over, and numbers without end
        least = self.longest_slice / 100
        why = "a hundredth of the longest slice"
        _require("half_life_seconds", self.half_life_seconds, least=least, why=why)
        for user, weight in self.weights.items():
            _require(f"weights.{user}", weight, above=0.0)

    @property
    def longest_slice(self) -> float:
        """Seconds, of all levels."""
        return max((self.slice_seconds, *self.slices.values()))

    def slice_of(self, level: Priority) -> float:
        """Seconds that a start at `level` is safe from its equals."""
        return self.slices.get(level, self.slice_seconds)

    def shares_nodes(self, group: GroupName) -> bool:
        """Whether several containers may stand on one node of the group."""
        return bool(self.shared_prefix) and group.startswith(self.shared_prefix)

    def weight(self, user: UserName) -> float:
        """How many times the share of an ordinary user this one has."""
        return self.weights.get(user, 1.0)

    def longest_wait(self, users_ahead: int, handover_seconds: float, position: int = 1) -> float:
        """The starvation bound, in seconds: a task gets nodes by right within this time.

        `position` is its place in its user's line in the group, from 1, at all levels together;
        `users_ahead` the most other users who wait at its level when it, or one of the user's
        tasks before it, comes to the head of that line; `handover_seconds` the longest time from a
        suspend notice to running. It holds on nodes that higher levels leave alone, for a gang that
        fits in one zone, whose user's own tasks and quota are not what it waits for.

        A user who has waited for the patience is served before all turns, the longest wait first,
        so everybody who comes later stands behind, but for those for whom others are leaving just
        then: one more hand-over. Whoever is at the head and does not fit stops all other starts by
        right, so a slice later every equal's slice is over.
        """
        if not self.preemption:
            return math.inf
        turns = (users_ahead + 1) * (self.longest_slice + handover_seconds)
        return position * (self.patience_seconds + handover_seconds + turns)

    @property
    def version(self) -> str:
        """A short digest of all knobs, for the decision log."""
        parts = []
        for knob in fields(self):
            value = getattr(self, knob.name)
            if isinstance(value, Mapping):
                value = sorted((str(key), float(one)) for key, one in value.items())
            parts.append(f"{knob.name}={value!r}")
        return hashlib.blake2b(";".join(parts).encode(), digest_size=6).hexdigest()


def _require(
    name: str, value: float, *, above: float = -math.inf, least: float = -math.inf, why: str = ""
) -> None:
    if math.isfinite(value) and value > above and value >= least:
        return
    bound = f"more than {above:g}" if above > -math.inf else f"{least:g} or more"
    if why:
        bound += f" ({why})"
    raise InvalidInput(
        f"the scheduling policy's {name} is {value:g}, and must be a number, {bound}",
        hint="docs/scheduling.md explains every knob of [scheduler]",
    )
