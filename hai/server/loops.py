"""The loops of a server, by its role."""

from dataclasses import dataclass

from hai.core.lifecycle.attempt_protocol import Timing
from hai.core.logdirs import common_dir
from hai.core.policy import DAY
from hai.ports import Store
from hai.server.deps import Services
from hai.service.decision_recorder import DecisionRecorder
from hai.service.feed import StateFeed
from hai.service.idleness import IdleService
from hai.service.launching import Launching
from hai.service.loops.follow import Following, Planning
from hai.service.loops.health import HealthChecking, Patience
from hai.service.loops.idle import Idling
from hai.service.loops.logs import LogBounds, LogKeeping
from hai.service.loops.reap import Reaping
from hai.service.loops.reconcile import Reconciling
from hai.service.loops.schedule import Scheduling
from hai.service.loops.supervisor import Loop
from hai.service.relay import Relay
from hai.service.signals import RECONCILE, SCHEDULE
from hai.service.workers import WorkerService
from hai.settings import Settings


@dataclass(frozen=True, slots=True)
class Stores:
    """The same store twice: what readers use, and what the loops of a leader use."""

    readers: Store
    loops: Store


def loops_of(
    settings: Settings,
    services: Services,
    stores: Stores,
    workers: WorkerService,
    launching: Launching,
    timing: Timing,
) -> tuple[Loop, ...]:
    """All but the clock's. `workers` are the loops' own."""
    store = stores.loops
    role = settings.server.role
    policy, tick_seconds = settings.policy(), settings.scheduler.tick_seconds
    schedule = _schedule(settings, services, store, launching) if role.may_lead else None
    following = None
    if role.serves:
        following = Following(
            stores.readers, services.clock, policy, services.last_tick, tick_seconds
        )
    planning = Planning(store, services.vacating, schedule, following)
    busy = settings.scheduler.busy_fraction
    loops = [
        Loop("schedule", planning.run_once, (SCHEDULE,), min_seconds=0.005, busy_fraction=busy)
    ]
    if role.may_lead:
        loops += _leading(settings, services, store, workers, launching, timing)
    if role.serves:
        loops += [
            Loop("dashboard", services.dashboard.run_once, busy_fraction=0.25),
            Loop("estimates", services.estimates.run_once),
        ]
    if settings.bus.url.get_secret_value():
        loops.append(Loop("relay", Relay(stores.readers, services.bus).run_once))
    return tuple(loops)


def _schedule(
    settings: Settings, services: Services, store: Store, launching: Launching
) -> Scheduling:
    policy = settings.policy()
    journal = DecisionRecorder(store, policy, settings.scheduler.journal_days * DAY)
    return Scheduling(
        store,
        services.bus,
        StateFeed(store, services.clock, policy, journal),
        journal,
        launching,
        services.last_tick,
        settings.scheduler.tick_seconds,
    )


def _leading(
    settings: Settings,
    services: Services,
    store: Store,
    workers: WorkerService,
    launching: Launching,
    timing: Timing,
) -> list[Loop]:
    bus, clock = services.bus, services.clock
    reconcile = Reconciling(store, clock, workers, launching, timing, bus)
    health = HealthChecking(
        store,
        bus,
        clock,
        launching,
        patience=Patience(
            lost_after_seconds=settings.agent.lost_after_seconds,
            quiet_seconds=settings.agent.suspect_seconds,
        ),
        log_dir=common_dir(settings.log_dir),
    )
    return [
        Loop("reconcile", reconcile.run_once, (RECONCILE,), min_seconds=0.1, busy_fraction=0.1),
        Loop("health", health.run_once),
        Loop("reap", Reaping(store, clock, launching).run_once),
        Loop("idle", Idling(store, bus, clock, _idle_of(settings, services, store)).run_once),
        Loop("logs", _log_keeping(settings, services, store).run_once, busy_fraction=0.1),
    ]


def _idle_of(settings: Settings, services: Services, store: Store) -> IdleService:
    """By the loops' own connections."""
    return IdleService(store, services.bus, services.clock, settings.jupyter.idle_policy())


def _log_keeping(settings: Settings, services: Services, store: Store) -> LogKeeping:
    logs = settings.logs
    bounds = LogBounds(logs.user_bytes, logs.keep_days * DAY, logs.reserve_bytes)
    return LogKeeping(store, services.bus, services.clock, settings.log_dir, bounds)
