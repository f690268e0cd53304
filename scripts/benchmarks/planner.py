"""How fast the planner is: one event to a new plan, a full rebuild, and its memory.

One process per case, the production code, a made-up cluster (crowd.py). An event is one thing that
happened: a submit, an end, a start acknowledged, a victim gone, a node down or up, a slice over.
What is timed is the change of the state, the advance of its time, and plan(); its decisions are
applied afterwards, untimed, and are followed by events of their own. Times are processor time:
the planner waits for nothing, and what else runs on the machine is not its cost.
"""

import gc
import sys
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from statistics import quantiles

import psutil

from hai.core.planner import plan
from hai.core.policy import Policy
from hai.core.state import SchedulerState, build_state
from scripts.benchmarks.crowd import NOW, Draw, Life, make_claims, make_nodes
from scripts.benchmarks.figures import Figure, figure

SEED = 7
SETTLE_SECONDS = 1200  # of the made-up cluster's time
TICK_SECONDS = 10
EVENTS = 4000
CASES = ((1000, 10_000), (10_000, 1000), (10_000, 10_000), (10_000, 100_000))
MOST_MS = 10  # what is asked for, of the largest case
MOST_MS_IN_BURSTS = 20  # on few nodes most slices end together: a plan re-decides each hand-over
MOST_SECONDS = 2
MOST_MIB = 500


def planner() -> list[Figure]:
    """Milliseconds from one event to a new plan (the 99th percentile is a figure of its own),
    seconds of a rebuild, MiB of memory: by nodes and waiting tasks."""
    found: list[Figure] = []
    for nodes, waiting in CASES:
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as fresh:
            found += fresh.submit(_case, nodes, waiting).result()
    return found


def _case(nodes: int, waiting: int) -> list[Figure]:
    size = f"{nodes:,} nodes, {waiting:,} wait"
    most = MOST_MS if nodes > 1000 else MOST_MS_IN_BURSTS
    draw = Draw(SEED)
    before = _resident_mib()
    members, quotas = make_nodes(nodes), draw.quotas()
    claims = make_claims(draw, members, waiting)
    rebuilds: list[float] = []
    for _ in range(3):
        state: SchedulerState | None = None
        gc.collect()
        began = time.process_time()
        state = build_state(Policy(), members, quotas, claims, NOW)
        rebuilds.append(time.process_time() - began)
    assert state is not None
    life = Life(state, draw)
    _settle(life)
    memory = _resident_mib() - before
    took, kinds, decisions = _run(life, EVENTS)
    print(f"  {size}: {dict(kinds.most_common())}, {decisions} decisions", file=sys.stderr)
    return [
        figure(f"plan, {size}: rebuild", rebuilds, "s", "<=", MOST_SECONDS),
        figure(f"plan, {size}: event", took, "ms", "<=", MOST_MS),
        figure(f"plan, {size}: event, p99", [_p99(took)], "ms", "<=", most),
        figure(f"plan, {size}: memory", [memory], "MiB", "<=", MOST_MIB),
    ]


def _settle(life: Life) -> None:
    """Let the cluster come to its usual bustle, with a plan now and then."""
    until = life.now + SETTLE_SECONDS
    while life.now < until:
        tick = life.now + TICK_SECONDS
        while life.now < tick:
            _, event = life.next_event()
            event()
            life.state.advance(life.now)
        life.apply(plan(life.state, life.now))


def _run(life: Life, events: int) -> tuple[list[float], Counter[str], int]:
    """Milliseconds of each, how many of each kind, and what the plans decided."""
    took: list[float] = []
    kinds: Counter[str] = Counter()
    decisions = 0
    for _ in range(events):
        kind, event = life.next_event()
        kinds[kind] += 1
        began = time.process_time()
        event()
        life.state.advance(life.now)
        made = plan(life.state, life.now)
        took.append((time.process_time() - began) * 1000)
        life.apply(made)
        decisions += len(made.starts) + len(made.suspends) + len(made.demotions)
    return took, kinds, decisions


def _p99(samples: list[float]) -> float:
    return quantiles(samples, n=100, method="inclusive")[98]


def _resident_mib() -> float:
    gc.collect()
    return float(psutil.Process().memory_info().rss) / 2**20
