"""Puts a server together from settings: the only place that knows every implementation."""

import asyncio
import os
import secrets
import socket
import stat
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from hai.bus.access import RedisAccess
from hai.bus.open import open_bus
from hai.core.lifecycle.attempt_protocol import Timing
from hai.core.logdirs import common_dir
from hai.core.types import TaskId
from hai.errors import PlatformError
from hai.files import write_whole
from hai.launcher.hollow import HollowLauncher
from hai.launcher.local import LocalLauncher
from hai.launcher.worker import AgentOptions
from hai.ports import Bus, Clock, Launcher, Store
from hai.server.deps import Services
from hai.server.doorway import Doorway
from hai.server.loops import Stores, loops_of
from hai.server.places import StreamPlaces
from hai.service.allowances import AllowanceService
from hai.service.channels import ChannelLimits, Channels
from hai.service.clock import SystemClock
from hai.service.cluster import ClusterCache, ClusterService
from hai.service.containers import Sharing
from hai.service.dashboard import DashboardFeed
from hai.service.decision_reader import DecisionReader
from hai.service.equipment import Equipment
from hai.service.estimates import Estimates
from hai.service.event_reader import EventReader
from hai.service.explanations import Explanations
from hai.service.idleness import IdleService
from hai.service.images import ImageService
from hai.service.last_tick import LastTick
from hai.service.launchers import Launchers
from hai.service.launching import Launching
from hai.service.logstream import LogStreams
from hai.service.loops.membership import MembershipLoop
from hai.service.loops.supervisor import Loop, Supervisor
from hai.service.monitoring import Monitoring
from hai.service.mounts import MountService
from hai.service.nodes import NodeService
from hai.service.rowbook import RowBook
from hai.service.signals import CLOCK, TASKS
from hai.service.submit_limits import SubmitLimits
from hai.service.tasks import TaskService
from hai.service.timekeeping import Timekeeping
from hai.service.users import UserService
from hai.service.vacate import Vacating
from hai.service.views import Views
from hai.service.workers import WorkerService, WorkerTokens
from hai.service.workspaces import WorkspaceService
from hai.settings import Settings
from hai.store.open import open_store
from hai.workspace.twin import WorkspaceLimits

if TYPE_CHECKING:
    from hai.ports.nodes import NodeSource
    from hai.server.cluster import KubernetesParts
    from hai.server.machine import DockerParts

log = structlog.get_logger("hai.server")


@dataclass(frozen=True, slots=True)
class Platform:
    """A composed server: what routes need, and what has to be opened and closed around them."""

    settings: Settings
    services: Services
    store: Store
    loop_store: Store
    launching: Launching
    launchers: Mapping[str, Launcher]
    loops: tuple[Loop, ...]
    closing: asyncio.Event
    hollow: HollowLauncher
    timekeeping: Timekeeping
    doorway: Doorway | None = None


def open_settings_store(settings: Settings) -> Store:
    """The store that the settings name; PlatformError when they name none."""
    url = settings.store.url.get_secret_value()
    if not url:
        raise PlatformError(
            "no database is configured ([store] url)", hint="hai-up run -p local sets one up"
        )
    return open_store(url, settings.store.pool_size, may_lead=settings.server.role.may_lead)


def read_secret(settings: Settings) -> bytes:
    """The key that signs worker tokens; made on first use, readable by its owner only."""
    path = (settings.server.secret_file or settings.data_dir / "secret").expanduser()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            _make_secret(path)
        if stat.S_IMODE(path.stat().st_mode) & 0o077:
            raise PlatformError(f"{path} is readable by others", hint=f"chmod 600 {path}")
        secret = path.read_bytes().strip()
    except OSError as error:
        raise PlatformError(f"{path}: {error.strerror}", hint="check the data folder") from error
    if len(secret) < 32:
        raise PlatformError(f"{path} holds no key", hint=f"remove it and start again: rm {path}")
    return secret


def _make_secret(path: Path) -> None:
    """Whole or not at all: two servers that start together end up with the same one."""
    with suppress(FileExistsError):
        write_whole(path, secrets.token_hex(32), replaces=False)


def timing_of(settings: Settings, up_since: float) -> Timing:
    return Timing(
        up_since=up_since,
        notice_seconds=settings.suspend.notice_seconds,
        term_seconds=settings.suspend.term_seconds,
        grace_seconds=settings.suspend.grace_seconds,
        grace_cap_seconds=settings.suspend.grace_cap_seconds,
        start_timeout_seconds=settings.agent.start_timeout_seconds,
    )


def compose(settings: Settings, clock: Clock | None = None) -> Platform:
    """Everything wired, nothing opened."""
    clock = clock or SystemClock(settings.server.clock_speed)
    store = open_settings_store(settings)
    loop_store = store.for_loops(settings.store.loop_pool_size)
    bus = open_bus(settings.bus.url.get_secret_value(), clock, _access(settings))
    last_tick = LastTick()
    closing = asyncio.Event()
    timing = timing_of(settings, clock.now())
    launchers: dict[str, Launcher] = {}  # filled below: the hollow one reports to a service
    rows = RowBook(store, bus, clock)
    images = ImageService(rows)
    sharing = Sharing(settings.policy().shares_nodes, settings.jupyter.defaults())
    cache = ClusterCache(store, clock, launchers, images=images, sharing=sharing)
    tasks = TaskService(
        store,
        bus,
        clock,
        cache,
        settings.scheduler.default_group,
        SubmitLimits(
            settings.scheduler.max_array_size,
            settings.scheduler.max_array_bytes,
            settings.scheduler.max_unfinished_tasks,
            settings.scheduler.max_unfinished_bytes,
            settings.jupyter.idle_policy(),
        ),
        settings.scheduler.demote_after_seconds,
    )
    workers, loop_workers = (
        WorkerService(
            one,
            bus,
            clock,
            tasks,
            timing,
            heartbeat_seconds=settings.agent.heartbeat_seconds,
            lost_after_seconds=settings.agent.lost_after_seconds,
        )
        for one in (store, loop_store)
    )
    tokens = WorkerTokens(read_secret(settings))
    hollow = HollowLauncher(clock, workers.report, settings.agent.heartbeat_seconds)
    local = _local_launcher(settings)
    launchers.update({local.name: local, hollow.name: hollow})
    cluster = _cluster_of(settings, bus, clock)
    machine = _machine_of(settings)
    for parts in (cluster, machine):
        if parts is not None:
            launchers[parts.launcher.name] = parts.launcher
    launching = Launching(
        loop_store,
        Launchers(launchers),
        loop_workers,
        tokens,
        log_dir=settings.log_dir,
        server_url=settings.server_url,
        equipment=Equipment(RowBook(loop_store, bus, clock)),
    )
    supervisor = Supervisor(clock, bus)
    idle = IdleService(store, bus, clock, settings.jupyter.idle_policy())
    views = Views(store, bus, last_tick, idle, sharing)
    leave_seconds = settings.suspend.notice_seconds + settings.suspend.grace_seconds
    estimates = Estimates(store, clock, last_tick, leave_seconds)
    channels = Channels(store, bus, clock, tokens, _channel_limits(settings), _peer_url(settings))
    has_door = settings.door.is_enabled and settings.server.role.serves
    doorway = Doorway(settings, store, clock, channels) if has_door else None
    services = Services(
        role=settings.server.role,
        bus=bus,
        clock=clock,
        last_tick=last_tick,
        tasks=tasks,
        users=UserService(store, clock, needs_uid=os.geteuid() == 0),
        cluster=ClusterService(store, bus, clock, cache),
        nodes=NodeService(store, bus, clock),
        images=images,
        mounts=MountService(rows),
        allowances=AllowanceService(rows),
        workers=workers,
        tokens=tokens,
        channels=channels,
        door=None if doorway is None else doorway.desk,
        views=views,
        dashboard=DashboardFeed(store, bus, clock, last_tick, views),
        estimates=estimates,
        explanations=Explanations(store, clock, last_tick, estimates, idle),
        idle=idle,
        logs=LogStreams(store, bus, settings.log_dir, closing, settings.logs.reserve_bytes),
        vacating=Vacating(store, bus, clock, last_tick),
        events=EventReader(store, bus, closing),
        decisions=DecisionReader(store, clock),
        monitoring=Monitoring(store),
        supervisor=supervisor,
        places=StreamPlaces(settings.server.streams_per_user),
        workspaces=_workspaces(settings, store),
        packs_environments=settings.agent.env_dir is not None,
    )
    loops = loops_of(settings, services, Stores(store, loop_store), loop_workers, launching, timing)
    sources: list[NodeSource] = [one.nodes for one in (cluster, machine) if one is not None]
    if settings.server.role.may_lead:
        for source in sources:
            membership = MembershipLoop(loop_store, bus, clock, source)
            loops += (Loop(f"membership-{source.launcher}", membership.run_once),)
    timekeeping = Timekeeping(loop_store, bus, clock, last_tick)
    return Platform(
        settings,
        services,
        store,
        loop_store,
        launching,
        launchers,
        loops,
        closing,
        hollow,
        timekeeping,
        doorway,
    )


def _workspaces(settings: Settings, store: Store) -> WorkspaceService:
    section = settings.workspace
    return WorkspaceService(
        store,
        settings.workspace_dir,
        WorkspaceLimits(user_bytes=section.user_bytes, most_files=section.most_files),
        processes=section.processes,
        idle_seconds=section.idle_seconds,
    )


def _channel_limits(settings: Settings) -> ChannelLimits:
    return ChannelLimits(**settings.channels.model_dump())


def _peer_url(settings: Settings) -> str:
    """Where the other processes reach this one. A process that listens everywhere is reached by its
    host's name, which peers of a pod or a container cannot look up: by the address of that name."""
    server = settings.server
    if server.peer_url:
        return server.peer_url.rstrip("/")
    host = server.host
    if host in ("0.0.0.0", "::", ""):  # noqa: S104 - compared, not bound
        try:
            host = socket.gethostbyname(socket.gethostname())
        except OSError:
            host = "127.0.0.1"
    return f"http://[{host}]:{server.port}" if ":" in host else f"http://{host}:{server.port}"


def _access(settings: Settings) -> RedisAccess:
    bus = settings.bus
    return RedisAccess(
        bus.username, bus.password.get_secret_value(), bus.password_file, bus.ca_file
    )


def _cluster_of(settings: Settings, bus: Bus, clock: Clock) -> "KubernetesParts | None":
    """Imported late: a server without a cluster needs no library for one."""
    if not settings.kubernetes.is_enabled:
        return None
    try:
        from hai.server.cluster import kubernetes_parts
    except ImportError as error:
        raise PlatformError(
            f"[kubernetes] is set, and {error.name} is not installed",
            hint="pip install 'hai-platform[server,k8s]'",
        ) from None
    return kubernetes_parts(settings, bus, clock, _agent_options(settings))


def _machine_of(settings: Settings) -> "DockerParts | None":
    """Imported late: a server without an engine needs nothing for one."""
    if not settings.docker.is_enabled:
        return None
    from hai.server.machine import docker_parts

    return docker_parts(settings, _agent_options(settings))


def _local_launcher(settings: Settings) -> LocalLauncher:
    return LocalLauncher(
        settings.data_dir,
        python=settings.agent.python or sys.executable,
        options=_agent_options(settings),
    )


def _agent_options(settings: Settings) -> AgentOptions:
    return AgentOptions(
        watchdog_seconds=settings.agent.watchdog_seconds,
        segment_bytes=settings.logs.segment_bytes,
        segments=settings.logs.segments,
        processes=settings.agent.processes,
        log_attempt_bytes=settings.logs.attempt_bytes,
        log_reserve_bytes=settings.logs.reserve_bytes,
        post_system_init=str(settings.agent.post_system_init or ""),
        env_dir=str(settings.agent.env_dir or ""),
        env_bytes=settings.agent.env_bytes,
    )


@asynccontextmanager
async def opened(platform: Platform) -> AsyncIterator[None]:
    """Everything open and the loops running, until the context ends."""
    services = platform.services
    common_dir(platform.settings.log_dir).mkdir(parents=True, exist_ok=True)
    role = platform.settings.server.role
    await platform.store.open()
    await platform.loop_store.open()
    await services.bus.open()
    if role.may_lead:
        for launcher in platform.launchers.values():
            await launcher.open()
    await platform.timekeeping.run_once()  # first: the loops go by it
    for loop in (_clock_loop(platform), *platform.loops):
        services.supervisor.spawn(loop)
    poking = asyncio.create_task(_poke(services.bus, platform.hollow), name="poke-hollow")
    if platform.doorway is not None:
        await platform.doorway.open()
    log.info("open", role=role.value, data_dir=str(platform.settings.data_dir))
    try:
        yield
    finally:
        platform.closing.set()
        if platform.doorway is not None:
            await platform.doorway.close()
        poking.cancel()
        with suppress(asyncio.CancelledError):
            await poking
        await services.supervisor.close()
        await services.estimates.close()
        await services.workspaces.close()
        await platform.launching.close()
        for launcher in platform.launchers.values():
            await launcher.close()
        await services.bus.close()
        await platform.loop_store.close()
        await platform.store.close()
        log.info("closed")


def _clock_loop(platform: Platform) -> Loop:
    """It is also what asks for the lease every second, so it does not rest for long."""
    return Loop("clock", platform.timekeeping.run_once, (CLOCK,), longest_pause_seconds=1.0)


async def _poke(bus: Bus, hollow: HollowLauncher) -> None:
    """Tell the hollow launcher which tasks have new orders; real agents hear it by long poll."""
    async with bus.subscribe(TASKS) as messages:
        async for message in messages:
            ids = message.data.get("ids")
            for task_id in ids if isinstance(ids, list) else ():
                hollow.poke(TaskId(task_id))
