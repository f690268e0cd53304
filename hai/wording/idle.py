"""Idle dev containers in plain words."""

from collections.abc import Mapping
from shlex import quote

from hai.core.idle import IdleClock, Idleness, IdleRule, Signal
from hai.wording import phrases

IN_USE_SECONDS = 30.0  # since the last sign of use: samples, and their way here, take as long
_NAMES = {
    Signal.GPU: "GPU",
    Signal.KERNELS: "kernels",
    Signal.CPU: "CPU",
    Signal.INPUT: "terminal input",
}


def state_text(found: Idleness, rule: IdleRule | None, clock: IdleClock, now: float) -> str:
    """One line: since when it is idle, and when it is suspended for it."""
    if rule is None:
        return "never suspended for being idle"
    if found.used_at is None or found.stops_at is None:
        return "its agent has not been heard yet: nothing is counted"
    quiet = max(0.0, now - found.used_at)
    limit = phrases.span(rule.seconds)
    if quiet < IN_USE_SECONDS:
        told = f"in use ({busy_text(found)}); suspended after {limit} without use"
    else:
        told = f"idle for {phrases.span(quiet)}; suspended in {_left(found, clock, now)}"
    if clock.until is not None and clock.until > found.used_at + rule.seconds:
        told += ", as somebody asked for more time"
    return told


def _left(found: Idleness, clock: IdleClock, now: float) -> str:
    at = max(found.stops_at or 0.0, clock.stop_at or 0.0)
    return phrases.span(at - now)


def busy_text(found: Idleness) -> str:
    """What uses it, by name."""
    used = [
        _NAMES[signal] + (" unknown" if seconds is None else "")
        for signal, seconds in found.quiet.items()
        if seconds is None or seconds < IN_USE_SECONDS
    ]
    return ", ".join(used) or "just started"


def signal_lines(quiet: Mapping[Signal, float | None]) -> list[str]:
    """Each sign of use, one to a line."""
    return [f"{_NAMES[signal]}: {_signal(seconds)}" for signal, seconds in quiet.items()]


def _signal(seconds: float | None) -> str:
    if seconds is None:
        return "unknown, which counts as use"
    return "in use" if seconds < IN_USE_SECONDS else f"quiet for {phrases.span(seconds)}"


def notice_text(name: str, rule: IdleRule, stop_at: str) -> str:
    """The line in its log and in the event log; `stop_at`: the time of day."""
    return (
        f"this dev container is idle: it is suspended at {stop_at} unless somebody uses it "
        f"(limit: {phrases.span(rule.seconds)}); `hai-cli dev extend {quote(name)}` keeps it"
    )


def stop_text(name: str, seconds: float) -> str:
    return (
        f"idle for {phrases.span(seconds)}: no GPU, kernel, CPU or terminal input; "
        f"`hai-cli dev start {quote(name)}` goes on as it was"
    )
