"""Runs simulations for the `sim` verbs and turns their outcome into items."""

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from hai.cli.grammar import parse_duration
from hai.cli.sim_inputs import Candidate, load_trace
from hai.cli.sim_options import SimulationOptions, seconds
from hai.console.errors import Stderr
from hai.core.simulation.engine import Course
from hai.core.simulation.jobs import Choice, Trace, chosen
from hai.core.simulation.run import Setup, result, simulate
from hai.errors import InvalidInput

_QUIET_S = 1.0  # what takes no longer shows no progress
_REDRAW_S = 0.2


def choice_of(wishes: SimulationOptions) -> Choice:
    return Choice(
        nodes=_pool(wishes),
        gpus_per_node=wishes.gpus,
        vc=wishes.vc,
        begin_s=seconds(wishes.begin),
        end_s=seconds(wishes.end),
        min_gpus=wishes.min_gpus,
        skip_too_wide=wishes.skip_too_wide,
    )


def setup_of(wishes: SimulationOptions, candidate: Candidate) -> Setup:
    return Setup(
        nodes=_pool(wishes),
        gpus_per_node=wishes.gpus,
        reference=candidate.reference,
        knobs=candidate.knobs,
        suspend_cost_s=parse_duration(wishes.suspend_cost),
        tick_s=seconds(wishes.tick),
        checkpoint_every_s=seconds(wishes.checkpoint_every),
    )


def _pool(wishes: SimulationOptions) -> int:
    if wishes.nodes is None:
        raise InvalidInput("the pool has no size", hint="add --nodes N")
    return wishes.nodes


class Bench:
    """One trace, on which policies are tried one after another."""

    def __init__(self, file: str, wishes: SimulationOptions, stderr: Stderr) -> None:
        self._name = Path(file).name
        self._wishes = wishes
        self._stderr = stderr
        self._choice = choice_of(wishes)
        self.trace: Trace = chosen(load_trace(file), self._choice)
        for why, count in sorted(self.trace.left_out.items()):
            stderr.say(f"left out: {count:,} ({why})")

    def run(self, candidate: Candidate) -> Course:
        setup = setup_of(self._wishes, candidate)
        try:
            return simulate(self.trace.jobs, setup, self._watch(candidate.label))
        finally:
            self._stderr.progress("")

    def result(self, candidate: Candidate, course: Course) -> dict[str, Any]:
        """The figures with what they are of."""
        return {
            "trace": self._name,
            "policy": candidate.label,
            "vc": self._choice.vc,
            "min_gpus": self._choice.min_gpus,
            "left_out": dict(self.trace.left_out),
            **result(course, setup_of(self._wishes, candidate)),
        }

    def _watch(self, label: str) -> Callable[[float], None] | None:
        if not self._stderr.is_terminal:
            return None
        due = time.monotonic() + _QUIET_S

        def watch(share: float) -> None:
            nonlocal due
            if time.monotonic() >= due:
                due = time.monotonic() + _REDRAW_S
                self._stderr.progress(f"{label}: {share:.0%} of {len(self.trace.jobs):,} jobs")

        return watch


def compared(results: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The results with their ratios to the first one; None where that would divide by nothing."""
    items = [{**one, "wide_p99_wait_s": _wide_p99(one)} for one in results]
    first = items[0]
    ratios = {
        "jct_ratio": "avg_jct_s",
        "wait_ratio": "avg_wait_s",
        "p99_ratio": "p99_wait_s",
        "wide_p99_ratio": "wide_p99_wait_s",
    }
    for item in items:
        for name, key in ratios.items():
            item[name] = _ratio(item[key], first[key])
    return items


def _wide_p99(one: Mapping[str, Any]) -> float | None:
    wide = one["by_gang"].get("8+")
    return None if wide is None else float(wide["p99_wait_s"])


def _ratio(value: float | None, of: float | None) -> float | None:
    return None if value is None or not of else round(value / of, 4)


def difference(results: Sequence[Mapping[str, Any]]) -> str:
    """What these results do not have in common though they should; "" when it is nothing."""
    for key in ("trace", "vc", "tasks", "nodes", "gpus_per_node"):
        if len({str(one.get(key)) for one in results}) > 1:
            return f"their {key.replace('_', ' ')}"
    return ""


def check_plot(file: str | None) -> None:
    """InvalidInput before a long simulation rather than after it."""
    if file is None:
        return
    if not file.endswith(".svg"):
        raise InvalidInput(f"--plot {file!r} is no SVG file", hint="give it the ending .svg")
    if not Path(file).absolute().parent.is_dir():
        raise InvalidInput(f"no folder {str(Path(file).parent)!r}", hint="make it first")
