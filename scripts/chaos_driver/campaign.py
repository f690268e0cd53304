"""One run: a platform, a load, faults at random moments, and the checks."""

import random
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, Generic

import scripts.chaos_driver.faults.cluster
import scripts.chaos_driver.faults.pods
import scripts.chaos_driver.faults.processes
import scripts.chaos_driver.faults.surroundings  # noqa: F401 - all register their faults
from scripts.chaos_driver.checks import check
from scripts.chaos_driver.faults import KUBERNETES, LOCAL, Fault, Scene, SiteT
from scripts.chaos_driver.load import Load
from scripts.chaos_driver.pods import kubernetes_site
from scripts.chaos_driver.programs import write_programs
from scripts.chaos_driver.site import local_site
from scripts.chaos_driver.waiting import Violation

LONGEST_PAUSE_SECONDS = 1.5  # between two faults
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Order:
    """What was asked for: the run ends after `seconds` or `faults`, whatever comes first."""

    seconds: float | None
    faults: int | None
    seed: int
    only: tuple[str, ...] = ()
    environment: str = "local"


@dataclass(frozen=True, slots=True)
class Environment(Generic[SiteT]):
    """What the platform stands on, and what can go wrong there."""

    site: Callable[[int], AbstractContextManager[SiteT]]
    nodes: int
    faults: Mapping[str, Fault[SiteT]]


# of whatever site: each one goes with its own faults
ENVIRONMENTS: dict[str, Environment[Any]] = {
    "local": Environment(local_site, 4, LOCAL),
    "kubernetes": Environment(kubernetes_site, 3, KUBERNETES),
}


@dataclass
class Result:
    took: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))  # seconds
    skipped: dict[str, str] = field(default_factory=dict)  # kind -> why
    violations: list[str] = field(default_factory=list)
    tasks: int = 0
    folder: str = ""

    @property
    def faults(self) -> int:
        return sum(map(len, self.took.values()))


class _Broken(Exception):
    """Leaves the site's folder for whoever looks into it."""


def run(order: Order, say: Say) -> Result:
    """Violations are in the result, not raised."""
    result = Result()
    try:
        environment = ENVIRONMENTS[order.environment]
        with environment.site(environment.nodes) as site:
            result.folder = str(site.folder)
            _run_on(site, environment.faults, order, result, say)
            if result.violations:
                raise _Broken
    except _Broken:
        pass
    return result


def _run_on(
    site: SiteT, faults: Mapping[str, Fault[SiteT]], order: Order, result: Result, say: Say
) -> None:
    write_programs(site.work, site.nodes())
    chance = random.Random(order.seed)  # noqa: S311 - no secret
    load = Load(site, random.Random(order.seed + 1))  # noqa: S311
    load.start()
    try:
        _inject_all(
            Scene(site, load, chance), usable(site, faults, order, result), order, result, say
        )
        load.stop()
        say(f"{len(load.asked)} tasks; waiting for their end, then checking")
        result.violations += check(site, load)
    except Violation as error:
        result.violations.append(str(error))
    finally:
        load.abandon()
        result.tasks = len(load.asked)
    if not result.violations and (left := site.end()):
        result.violations.append(left)


def usable(
    site: SiteT, faults: Mapping[str, Fault[SiteT]], order: Order, result: Result
) -> list[Fault[SiteT]]:
    """Those that were asked for and can be injected here, in a fixed order."""
    wanted = [faults[kind] for kind in sorted(order.only or faults)]
    for fault in wanted:
        if why := fault.missing(site):
            result.skipped[fault.kind] = why
    return [fault for fault in wanted if fault.kind not in result.skipped]


def _inject_all(
    scene: Scene[SiteT], faults: list[Fault[SiteT]], order: Order, result: Result, say: Say
) -> None:
    began = time.monotonic()
    bag: list[Fault[SiteT]] = []

    def is_over() -> bool:
        late = order.seconds is not None and time.monotonic() - began >= order.seconds
        return late or (order.faults is not None and result.faults >= order.faults)

    while faults and not is_over():
        if not bag:  # each kind once before any comes again, in a new order every time
            bag = scene.chance.sample(faults, len(faults))
        fault = bag.pop()
        scene.load.let_run(scene.chance.uniform(0.0, LONGEST_PAUSE_SECONDS))
        before = time.monotonic()
        try:
            did = fault.inject(scene)
        except Violation as error:
            raise Violation(f"{fault.kind}: {error}") from error
        result.took[fault.kind].append(time.monotonic() - before)
        say(f"{result.faults:4d}  {time.monotonic() - began:6.1f} s  {fault.kind}: {did}")
