"""For how long each sign of use of a dev container has been quiet. Pure: `now` is an argument.

What is not known counts as use: nobody's work is stopped because something could not be read.
"""

from __future__ import annotations

from collections import deque

GPU, KERNELS, CPU, INPUT = "gpu", "kernels", "cpu", "input"
CPU_PERCENT = 10.0  # of one core, over a minute: JupyterLab at rest with open tabs needs less
GPU_PERCENT = 5.0
CPU_WINDOW_SECONDS = 60.0
_RESTING = ("idle", "dead")  # execution states of a kernel that does nothing


class IdleSignals:
    """`signals` are those that count for this worker: no gpu where it has none."""

    def __init__(self, signals: list[str], now: float) -> None:
        self._used_at = dict.fromkeys(signals, now)
        self._is_known = dict.fromkeys(signals, False)
        self._is_used = dict.fromkeys(signals, True)  # at the last look

    def saw(self, signal: str, now: float, is_used: bool | None) -> None:
        """None: it could not be read."""
        if signal not in self._used_at:
            return
        self._is_known[signal] = is_used is not None
        if is_used is not False or self._is_used[signal]:
            self._used_at[signal] = now
        self._is_used[signal] = is_used is not False

    def seconds(self, now: float) -> dict[str, float | None]:
        """By signal; None for what is not known. What was used at the last look is used until the
        next one."""
        return {signal: self._of(signal, now) for signal in self._used_at}

    def _of(self, signal: str, now: float) -> float | None:
        if not self._is_known[signal]:
            return None
        used_at = now if self._is_used[signal] else self._used_at[signal]
        return round(max(0.0, now - used_at), 1)


class CpuUse:
    """Whether a minute's CPU time is that of a program at work."""

    def __init__(self) -> None:
        self._samples: deque[tuple[float, float]] = deque()

    def take(self, now: float, cpu_seconds: float) -> bool | None:
        """None before there are two samples."""
        samples = self._samples
        samples.append((now, cpu_seconds))
        while len(samples) > 2 and samples[1][0] <= now - CPU_WINDOW_SECONDS:
            samples.popleft()
        began, before = samples[0]
        if now <= began:
            return None
        return 100 * (cpu_seconds - before) / (now - began) >= CPU_PERCENT


class KernelUse:
    """Whether a kernel works, or did since the last look. Connections do not count."""

    def __init__(self) -> None:
        self._worked_at: dict[str, str] = {}

    def take(self, kernels: object) -> bool | None:
        """`kernels`: what GET /api/kernels answered; None if that makes no sense."""
        if not isinstance(kernels, list) or not all(isinstance(one, dict) for one in kernels):
            return None
        now = {str(one.get("id")): str(one.get("last_activity")) for one in kernels}
        before, self._worked_at = self._worked_at, now
        is_busy = any(one.get("execution_state") not in _RESTING for one in kernels)
        return is_busy or any(before.get(name) != at for name, at in now.items())


class InputUse:
    """Whether somebody has typed since the last look: the marks of the places where input arrives
    change only with it."""

    def __init__(self) -> None:
        self._marks: dict[str, int] = {}

    def take(self, marks: dict[str, int]) -> bool:
        """`marks`: of each terminal when input was last read from it, in any unit."""
        before, self._marks = self._marks, marks
        return any(before.get(name) != mark for name, mark in marks.items())
