"""One run: a platform, a load, faults at random moments, and the checks."""

import random
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field

import scripts.chaos_driver.faults.processes
import scripts.chaos_driver.faults.surroundings  # noqa: F401 - both register their faults
from scripts.chaos_driver.checks import check
from scripts.chaos_driver.faults import LOCAL, Fault, Scene
from scripts.chaos_driver.load import Load
from scripts.chaos_driver.programs import write_programs
from scripts.chaos_driver.site import LocalSite, local_site
from scripts.chaos_driver.waiting import Violation

NODES = 4
LONGEST_PAUSE_SECONDS = 1.5  # between two faults
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Order:
    """What was asked for: the run ends after `seconds` or `faults`, whatever comes first."""

    seconds: float | None
    faults: int | None
    seed: int
    only: tuple[str, ...] = ()


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
        with local_site(NODES) as site:
            result.folder = str(site.folder)
            _run_on(site, order, result, say)
            if result.violations:
                raise _Broken
    except _Broken:
        pass
    return result


def _run_on(site: LocalSite, order: Order, result: Result, say: Say) -> None:
    write_programs(site.work, site.nodes())
    chance = random.Random(order.seed)  # noqa: S311 - no secret
    load = Load(site, random.Random(order.seed + 1))  # noqa: S311
    load.start()
    try:
        _inject_all(Scene(site, load, chance), order, result, say)
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


def usable(site: LocalSite, order: Order, result: Result) -> list[Fault[LocalSite]]:
    """Those that were asked for and can be injected here, in a fixed order."""
    wanted = [LOCAL[kind] for kind in sorted(order.only or LOCAL)]
    for fault in wanted:
        if why := fault.missing(site):
            result.skipped[fault.kind] = why
    return [fault for fault in wanted if fault.kind not in result.skipped]


def _inject_all(scene: Scene[LocalSite], order: Order, result: Result, say: Say) -> None:
    faults = usable(scene.site, order, result)
    began = time.monotonic()
    bag: list[Fault[LocalSite]] = []

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
