"""How long the simulator takes with the production planner.

The trace of six months is not shipped: HAI_TRACES names the folder that it is in (by default a
folder shared/traces beside the checkout). Without it only the shipped trace is measured.
"""

import gzip
import os
import sys
import time
from pathlib import Path

from hai.core.simulation.jobs import Choice, Job, chosen
from hai.core.simulation.run import Setup, simulate
from hai.core.simulation.trace_rows import read_trace
from scripts.benchmarks.figures import Figure, figure

ROOT = Path(__file__).parents[2]
SHIPPED = ROOT / "docs" / "examples" / "traces" / "venus_vcvGl_sept2020.csv.gz"
TRACES = Path(os.environ.get("HAI_TRACES") or ROOT.parent / "shared" / "traces")
SIX_MONTHS = TRACES / "helios_venus_2020_clamp48h.csv.gz"
POOL = 135  # on fewer nodes the line grows for months; scripts.benchmarks.traces has those


def simulation() -> list[Figure]:
    """Seconds for the shipped trace (1,452 jobs) and for six months of Venus (125,303 jobs)."""
    jobs = _jobs(SHIPPED, 20)
    figures = [
        figure(
            f"simulate {len(jobs):,} jobs on 20 nodes",
            [_seconds(jobs, 20) for _ in range(5)],
            "s",
            "<=",
            10,
        )
    ]
    if not SIX_MONTHS.is_file():
        print(f"{SIX_MONTHS.name} is not in {TRACES}: not measured", file=sys.stderr)
        return figures
    jobs = _jobs(SIX_MONTHS, POOL)
    name = f"simulate {len(jobs):,} jobs on {POOL} nodes"
    return [*figures, figure(name, [_seconds(jobs, POOL)], "s", "<=", 300)]


def _jobs(path: Path, nodes: int) -> tuple[Job, ...]:
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        return chosen(read_trace(lines), Choice(nodes=nodes)).jobs


def _seconds(jobs: tuple[Job, ...], nodes: int) -> float:
    began = time.perf_counter()
    simulate(jobs, Setup(nodes=nodes))
    return time.perf_counter() - began
