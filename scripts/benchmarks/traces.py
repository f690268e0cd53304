"""The table of docs/simulator.md: every policy on every trace, as rows of Markdown.

    .venv/bin/python -m scripts.benchmarks.traces RESULTS_FOLDER

One simulation a file in RESULTS_FOLDER (what `hai-cli sim run -o json` prints, and `cpu_s`, the
processor time that it took): what is there already is not simulated again. The traces are sought
as in scripts.benchmarks.simulate.
"""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hai.files import write_whole
from scripts.benchmarks.simulate import ROOT, TRACES

POLICIES = ("timeshare", "fifo", "sjf", "srtf")
SEPTEMBER = ("--begin", "14414301", "--end", "16660701")
OCTOBER_NOVEMBER = ("--begin", "4062780", "--end", "9336720")
# The smallest of 8, 16, 24, 32 and 64 nodes that holds the virtual cluster's average load in whole
# nodes; 64 for 6214e9, which asks for 103, and for 6c71a0, which asks for 65.
PHILLY_POOLS = {
    "2869ce": 8,
    "e13805": 8,
    "103959": 8,
    "ed69ec": 8,
    "11cb48": 16,
    "7f04ca": 24,
    "b436b2": 32,
    "0e4a51": 64,
    "ee9e8c": 64,
    "6c71a0": 64,
    "6214e9": 64,
}


@dataclass(frozen=True, slots=True)
class Scene:
    """A trace on a pool: `name` is the row's head, `options` those of `hai-cli sim run`."""

    name: str
    trace: str
    nodes: int
    options: tuple[str, ...] = ()


SCENES = (
    Scene("vcvGl, 20", "helios_venus_2vc_sept2020.csv.gz", 20, ("--vc", "vcvGl")),
    Scene("vcvlY, 2", "helios_venus_2vc_sept2020.csv.gz", 2, ("--vc", "vcvlY")),
    Scene("Tiresias' 60 jobs, 32", "tiresias_60job.csv.gz", 32, ("--gpus", "4")),
    Scene("Venus, September, 135", "helios_venus_2020_clamp48h.csv.gz", 135, SEPTEMBER),
    *(
        Scene(
            f"Philly {vc}, {nodes}",
            "philly_2017_11vc.csv.gz",
            nodes,
            ("--vc", vc, "--skip-too-wide", *OCTOBER_NOVEMBER),
        )
        for vc, nodes in PHILLY_POOLS.items()
    ),
    *(
        Scene(f"Venus, six months, {nodes}", "helios_venus_2020_clamp48h.csv.gz", nodes)
        for nodes in (135, 96, 80)
    ),
)


def main() -> int:
    if len(sys.argv) != 2:
        sys.exit(f"usage: {Path(sys.argv[0]).name} RESULTS_FOLDER")
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for scene in SCENES:
        for policy in POLICIES:
            result = _result(folder, scene, policy)
            print(_row(scene.name if policy == POLICIES[0] else "", policy, result), flush=True)
    return 0


def _result(folder: Path, scene: Scene, policy: str) -> dict[str, Any]:
    kept = folder / f"{scene.name.replace(' ', '-')}-{policy}.json"
    if not kept.exists():
        write_whole(kept, json.dumps(_simulated(scene, policy)), mode=None)
    result: dict[str, Any] = json.loads(kept.read_text(encoding="utf-8"))
    return result


def _simulated(scene: Scene, policy: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "hai.cli.main", "sim", "run", str(TRACES / scene.trace)]
    command += ["--nodes", str(scene.nodes), "--policy", policy, "-o", "json", *scene.options]
    before = os.times()
    said = subprocess.run(command, check=True, cwd=ROOT, stdout=subprocess.PIPE)
    after = os.times()
    result: dict[str, Any] = json.loads(said.stdout)
    spent = after.children_user + after.children_system
    return result | {"cpu_s": round(spent - before.children_user - before.children_system, 1)}


def _row(head: str, policy: str, result: dict[str, Any]) -> str:
    """Of gangs with jobs, the widest; None as occupancy in demand: there never was any."""
    gang, widest = list(result["by_gang"].items())[-1]
    pool_s = result["nodes"] * result["span_s"]
    suspends = f"{result['suspensions']:,}"
    if result["suspensions"]:
        suspends += f", {result['most_suspensions']:,}"
    cells = (
        head,
        policy,
        f"{result['avg_jct_s']:,.0f}",
        f"{result['avg_wait_s']:,.0f}",
        f"{result['p99_wait_s']:,.0f}",
        f"{widest['p99_wait_s']:,.0f} ({gang})",
        _percent(result["occupancy_in_demand"]),
        suspends,
        _percent(result["lost_node_s"] / pool_s),
    )
    return f"| {' | '.join(cells)} |".replace("|  |", "| |")


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{100 * share:.1f} %"  # noqa: RUF001 (never in demand)


if __name__ == "__main__":
    sys.exit(main())
