"""Measures the figures that the README quotes: `scripts/bench [NAME...] [-o json]`."""

import argparse
import json
import os
import platform as machine
import sys
from collections.abc import Callable
from dataclasses import asdict

from scripts.benchmarks.channels import channels
from scripts.benchmarks.containers import compose, containers
from scripts.benchmarks.dashboard import dashboard
from scripts.benchmarks.dev import dev
from scripts.benchmarks.environments import environments
from scripts.benchmarks.figures import Figure
from scripts.benchmarks.followers import followers
from scripts.benchmarks.idle import idle
from scripts.benchmarks.kubernetes import reflector
from scripts.benchmarks.latency import first_line, followed_line, help_time
from scripts.benchmarks.planner import planner
from scripts.benchmarks.pods import pods
from scripts.benchmarks.simulate import simulation
from scripts.benchmarks.throughput import finished, submits
from scripts.benchmarks.top import top
from scripts.benchmarks.workspaces import workspaces

BENCHES: dict[str, Callable[[], list[Figure]]] = {
    "first-line": first_line,
    "followed-line": followed_line,
    "followers": followers,
    "dashboard": dashboard,
    "submits": submits,
    "finished": finished,
    "help": help_time,
    "idle": idle,
    "simulation": simulation,
    "top": top,
    "planner": planner,
    "docker": containers,
    "compose": compose,
    "env": environments,
    "workspace": workspaces,
    "channels": channels,
    "dev": dev,
    "kubernetes": reflector,
    "kubernetes-pods": pods,
}


def main() -> int:
    """Run what was asked for; exit code 1 when a target was missed."""
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(BENCHES)}")
    parser.add_argument("-o", "--output", choices=("table", "json"), default="table")
    asked = parser.parse_args()
    unknown = set(asked.names) - set(BENCHES)
    if unknown:
        parser.error(f"no such benchmark: {', '.join(sorted(unknown))}")
    print(
        f"{os.cpu_count()} cores, Python {machine.python_version()}; columns: p50, p95 (bad end)",
        file=sys.stderr,
    )
    figures: list[Figure] = []
    for name in asked.names or BENCHES:
        for measured in BENCHES[name]():
            figures.append(measured)
            print(measured.row(), file=sys.stderr if asked.output == "json" else sys.stdout)
            sys.stdout.flush()
    if asked.output == "json":
        rows = [{**asdict(measured), "is_met": measured.is_met} for measured in figures]
        print(json.dumps(rows, indent=2))
    return 0 if all(measured.is_met for measured in figures) else 1


if __name__ == "__main__":
    sys.exit(main())
