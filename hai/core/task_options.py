"""The options of a submission, read once: what the platform itself goes by."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from hai.core.array_spec import ArraySpec
from hai.core.duration import time_limit
from hai.core.lifecycle.dependency import Dependency, parse_after
from hai.core.lifecycle.retry import Retry
from hai.core.recorded import check_recorded

MAX_PATTERN = 1000
_SIGNALS = ("", "SIGUSR1", "SIGUSR2")


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskOptions:
    """What decides how a task is submitted. The document keeps all options as they were written,
    for the agent and for those who read a task later."""

    whole_life_state: int = 0
    time_limit_seconds: float | None = None
    idle_seconds: float | None = None  # that a dev container may be idle, if it says so
    after: tuple[Dependency, ...] = ()
    array: ArraySpec | None = None

    @classmethod
    def parse(cls, options: Mapping[str, object]) -> Self:
        """ValueError names the first option that is wrong, also among those that only others
        read."""
        for key, least in (("watchdog_time", 1), ("timeout", 1), ("grace_seconds", 0)):
            _seconds(options, key, least)
        idle_seconds = _seconds(options, "idle_seconds", 1)
        whole_life_state = _state(options.get("whole_life_state", 0))
        if options.get("suspend_signal", "") not in _SIGNALS:
            raise ValueError("options.suspend_signal must be SIGUSR1 or SIGUSR2")
        _check_pattern(options.get("checkpoint"), "checkpoint")
        limit = time_limit(options)
        if options.get("retry") is not None:
            Retry.parse(options["retry"])
        after, array = options.get("after"), options.get("array")
        dependencies = () if after is None else parse_after(after)
        check_recorded(options)
        return cls(
            whole_life_state=whole_life_state,
            time_limit_seconds=limit,
            idle_seconds=idle_seconds,
            after=dependencies,
            array=None if array is None else ArraySpec.parse(array),
        )


def _seconds(options: Mapping[str, object], key: str, least: float) -> float | None:
    """None if the option is not there."""
    if key not in options:
        return None
    value = options[key]
    if isinstance(value, bool) or not isinstance(value, int | float) or not value >= least:
        raise ValueError(f"options.{key} must be a number of seconds, at least {least}")
    return value


def _state(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not -(2**63) <= value < 2**63:
        raise ValueError("options.whole_life_state must be an integer")
    return value


def _check_pattern(value: object, key: str) -> None:
    if value is None:
        return
    if not isinstance(value, str) or not 0 < len(value) <= MAX_PATTERN:
        raise ValueError(f"options.{key} must be a pattern of file names, such as ckpt/*.pt")
    if any(ord(character) < ord(" ") for character in value):
        raise ValueError(f"options.{key} contains a control character")
