"""Trying a failed task again: the rule that its owner may give, and what follows from it.

Without a rule a failed program ends the task, and a lost node sends it back to the head of its
line however often that happens. With one (`options.retry`), what its `on` names is tried again up
to `max` times, and everything else ends the task.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from hai.core.duration import duration_text, parse_seconds
from hai.core.types import Outcome

NODE_LOST = "node_lost"
NONZERO = "nonzero"
MOST_TRIES = 1000
FIRST_BACKOFF_SECONDS = 10.0
LONGEST_BACKOFF_SECONDS = 3600.0
EVERYTHING: frozenset[str | int] = frozenset({NODE_LOST, NONZERO})
_KEYS = ("max", "backoff", "on")


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """`on` holds NODE_LOST, NONZERO and exit codes; the wait doubles with each further failure,
    up to an hour."""

    most: int
    backoff_seconds: float = FIRST_BACKOFF_SECONDS
    on: frozenset[str | int] = EVERYTHING

    @classmethod
    def parse(cls, value: object) -> Self:
        """From options.retry, a mapping or just the number of tries; ValueError says what is
        wrong."""
        if isinstance(value, int) and not isinstance(value, bool):
            value = {"max": value}
        if not isinstance(value, Mapping):
            raise ValueError("options.retry must be a number of tries or {max, backoff, on}")
        unknown = [str(key) for key in value if key not in _KEYS]
        if unknown:
            raise ValueError(f"options.retry has no {unknown[0]!r}: it knows max, backoff and on")
        most = value.get("max", 1)
        if isinstance(most, bool) or not isinstance(most, int) or not 0 <= most <= MOST_TRIES:
            raise ValueError(f"options.retry.max must be a whole number from 0 to {MOST_TRIES}")
        try:
            backoff = parse_seconds(value.get("backoff", FIRST_BACKOFF_SECONDS))
        except ValueError as error:
            raise ValueError(f"options.retry.backoff: {error}") from None
        return cls(most=most, backoff_seconds=backoff, on=_causes(value.get("on")))

    @classmethod
    def of(cls, options: Mapping[str, object]) -> Self | None:
        """The rule of a task's options; None when it has none (that can be read)."""
        if "retry" not in options or options["retry"] is None:
            return None
        try:
            return cls.parse(options["retry"])
        except ValueError:  # it was submitted before the rule was checked
            return None

    def matching(self, outcome: Outcome, exit_code: int | None) -> str | None:
        """What of `on` this end matches; None: it is no reason to try again."""
        if outcome is Outcome.NODE_LOST:
            return NODE_LOST if NODE_LOST in self.on else None
        if outcome is not Outcome.FAILED:
            return None
        if exit_code in self.on:
            return f"exit code {exit_code}"
        return NONZERO if NONZERO in self.on and exit_code != 0 else None

    def wait_seconds(self, failures: int) -> float:
        """How long the try after this many earlier failures waits."""
        doublings = min(failures, 60)
        return min(self.backoff_seconds * 2.0**doublings, LONGEST_BACKOFF_SECONDS)


def _causes(value: object) -> frozenset[str | int]:
    if value is None:
        return EVERYTHING
    causes = value if isinstance(value, list | tuple) else [value]
    known: set[str | int] = set()
    for cause in causes:
        match cause:
            case "node_lost" | "nonzero":
                known.add(str(cause))
            case int() if not isinstance(cause, bool) and 1 <= cause <= 255:
                known.add(cause)
            case _:
                raise ValueError(
                    f"options.retry.on: {cause!r} is none of node_lost, nonzero and the exit "
                    "codes 1 to 255"
                )
    if not known:
        raise ValueError("options.retry.on is empty: leave it out, or name a cause")
    return frozenset(known)


@dataclass(frozen=True, slots=True, kw_only=True)
class NextTry:
    """`number` counts the tries after the first attempt, `rule` is what of `on` matched."""

    number: int
    most: int
    rule: str
    not_before: float | None
    why: str


def next_try(
    retry: Retry | None,
    *,
    outcome: Outcome,
    exit_code: int | None,
    failures: int,
    now: float,
) -> NextTry | None:
    """Whether and when a task whose attempt ended like this is tried again.

    A lost node is nobody's fault: that try waits for nothing.
    """
    rule = retry.matching(outcome, exit_code) if retry is not None else None
    if retry is None or rule is None or failures >= retry.most:
        return None
    wait = 0.0 if rule == NODE_LOST else retry.wait_seconds(failures)
    when = f" in {duration_text(wait)}" if wait else ""
    number = failures + 1
    return NextTry(
        number=number,
        most=retry.most,
        rule=rule,
        not_before=now + wait if wait else None,
        why=f"{rule}: try {number} of {retry.most}{when}",
    )
