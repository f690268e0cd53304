"""One measured figure: its spread, and the target that it is held against."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import quantiles


@dataclass(frozen=True, slots=True)
class Figure:
    """`p50` and `p95` of `count` samples in `unit`; `target` is a bound on p50: `<=` or `>=`."""

    name: str
    unit: str
    p50: float
    p95: float
    count: int
    bound: str
    target: float

    @property
    def is_met(self) -> bool:
        return self.p50 <= self.target if self.bound == "<=" else self.p50 >= self.target

    def row(self) -> str:
        verdict = "met" if self.is_met else "MISSED"
        return (
            f"{self.name:<52} {self.p50:>9.1f} {self.p95:>9.1f} {self.unit:<8} n={self.count:<6}"
            f" target {self.bound} {self.target:g}: {verdict}"
        )


def figure(name: str, samples: Sequence[float], unit: str, bound: str, target: float) -> Figure:
    """From samples; p95 is towards the bad end (the 5th percentile where more is better)."""
    ordered = sorted(samples)
    if len(ordered) < 2:
        return Figure(name, unit, ordered[0], ordered[0], len(ordered), bound, target)
    cuts = quantiles(ordered, n=20, method="inclusive")
    bad = cuts[18] if bound == "<=" else cuts[0]
    return Figure(name, unit, cuts[9], bad, len(ordered), bound, target)
