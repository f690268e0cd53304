"""When an unused dev container is stopped. Pure: times and readings are arguments.

A container is idle when all of its signs of use are quiet: GPU, kernels, CPU, terminal input. What
is unknown counts as use, and while nobody has heard of a worker nothing is decided. All times are
of one clock.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from hai.core.duration import duration_text
from hai.errors import InvalidInput

NOTICE_SHARE = 0.5  # of the limit: the notice comes no earlier than after that

SLACK_SECONDS = 5.0  # by which words from the same moment may differ on their way


class Signal(StrEnum):
    GPU = "gpu"
    KERNELS = "kernels"
    CPU = "cpu"
    INPUT = "input"


@dataclass(frozen=True, slots=True, kw_only=True)
class IdlePolicy:
    """`seconds` by default and `by_group` (0: never stopped), `most_seconds`: what a container may
    ask for or be extended by (0: anything), `notice_seconds` before the stop it is told."""

    seconds: float = 0.0
    by_group: Mapping[str, float] = field(default_factory=dict)
    most_seconds: float = 0.0
    notice_seconds: float = 600.0

    def of_group(self, group: str) -> float:
        return self.by_group.get(group, self.seconds)

    def bound(self, group: str) -> float:
        """The most that a container of this group may ask for; 0: anything. What the group gives
        by itself is allowed."""
        own = self.of_group(group)
        return max(self.most_seconds, own) if self.most_seconds else 0.0

    def check(self, seconds: float, group: str) -> None:
        """InvalidInput for more than the bound."""
        most = self.bound(group)
        if most and seconds > most:
            raise InvalidInput(
                f"{duration_text(seconds)} of idleness are more than the "
                f"{duration_text(most)} that this platform allows",
                hint=f"ask for {duration_text(most)} or less, or ask an admin to raise [jupyter] "
                "idle_max_seconds",
            )

    def rule(self, group: str, asked: object) -> "IdleRule | None":
        """Of a container whose options ask for so many seconds (None: for nothing). None: it is
        never stopped for being idle."""
        seconds = self.of_group(group)
        if isinstance(asked, int | float) and not isinstance(asked, bool) and asked > 0:
            most = self.bound(group)
            seconds = min(float(asked), most) if most else float(asked)
        if seconds <= 0:
            return None
        return IdleRule(seconds, min(self.notice_seconds, seconds * NOTICE_SHARE))


@dataclass(frozen=True, slots=True)
class IdleRule:
    """Stopped after `seconds` without use, told `notice_seconds` before."""

    seconds: float
    notice_seconds: float


@dataclass(frozen=True, slots=True)
class IdleClock:
    """What is kept of one attempt: not stopped before `until` (somebody asked for more time), and
    stopped at `stop_at` if it stays idle (notice was given)."""

    until: float | None = None
    stop_at: float | None = None


class AttemptClock(NamedTuple):
    """Of the attempt with that number."""

    attempt: int
    clock: IdleClock


@dataclass(frozen=True, slots=True)
class Heard:
    """One worker's last word, and when it came: by signal, seconds of quiet, None: unknown."""

    at: float
    quiet: Mapping[str, float | None]


class Step(StrEnum):
    WAIT = "wait"
    NOTICE = "notice"
    USED = "used"  # again, after a notice
    STOP = "stop"


@dataclass(frozen=True, slots=True)
class Idleness:
    """`used_at`: the last sign of use; `stops_at`: when it is stopped if there comes no other;
    `heard_at`: what is known is known of that moment; `quiet`: by signal, of the rank that used it
    last. All None while nobody was heard."""

    used_at: float | None
    stops_at: float | None
    heard_at: float | None = None
    quiet: Mapping[Signal, float | None] = field(default_factory=dict)


def idleness(
    heard: Sequence[Heard | None], rule: IdleRule, clock: IdleClock, began: float, now: float
) -> Idleness:
    """Of all workers of an attempt whose program began at `began`."""
    known = [one for one in heard if one is not None]
    if not known or len(known) < len(heard):
        return Idleness(None, None)
    quiet: dict[Signal, float | None] = {}
    for one in known:
        passed = max(0.0, now - one.at)
        for signal in Signal:
            if signal in one.quiet:
                told = one.quiet[signal]
                seconds = None if told is None else told + passed
                quiet[signal] = _less(quiet[signal], seconds) if signal in quiet else seconds
    least = min((0.0 if value is None else value for value in quiet.values()), default=0.0)
    used_at = max(began, now - least)
    stops_at = max(used_at + rule.seconds, clock.until or 0.0)
    return Idleness(used_at, stops_at, min(one.at for one in known), quiet)


def _less(one: float | None, other: float | None) -> float | None:
    return None if one is None or other is None else min(one, other)


def decide(found: Idleness, rule: IdleRule, clock: IdleClock, not_before: float = 0.0) -> Step:
    """By what was known when the workers were heard last: a word that is late proves nothing of the
    time since. `not_before`: nothing is stopped earlier, for nobody could be told or answer."""
    if found.stops_at is None or found.heard_at is None:
        return Step.WAIT
    if clock.stop_at is None:
        is_near = found.stops_at - found.heard_at <= rule.notice_seconds
        return Step.NOTICE if is_near else Step.WAIT
    if found.stops_at > clock.stop_at + min(SLACK_SECONDS, rule.seconds / 4):
        return Step.USED
    is_over = found.heard_at >= max(clock.stop_at, found.stops_at, not_before)
    return Step.STOP if is_over else Step.WAIT


def noticed(found: Idleness, rule: IdleRule, now: float) -> float:
    """When it is stopped, once the notice is given: never sooner than promised."""
    return max(found.stops_at or 0.0, now + rule.notice_seconds)
