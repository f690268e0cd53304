"""Workers as containers. The contract is that of hai.ports.Launcher.

What the platform wants of a worker is its record on disk (see records), what became of it its
container, which stays after its end until it is forgotten and holds the agent's last word.
"""

import asyncio
import time
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import structlog

from hai.agent.build import build_agent
from hai.core.task import WorkerKey
from hai.docker import render
from hai.docker.errors import EngineTrouble
from hai.docker.view import Container
from hai.errors import Conflict, HaiError, InvalidInput, NotFound, PlatformError, Unavailable
from hai.launcher.containers import launch_errors, outfit_of, reported
from hai.launcher.docker import ends
from hai.launcher.docker.engine import DockerEngine
from hai.launcher.docker.images import Images
from hai.launcher.docker.names import attempt_name, key_of, worker_name
from hai.launcher.docker.networks import ContainerNetwork, Networks
from hai.launcher.docker.nodes import DockerNodes
from hai.launcher.docker.orders import (
    DockerOptions,
    make_log_folder,
    order_of,
    part_of,
    spec_of,
)
from hai.launcher.docker.records import DockerRecord
from hai.launcher.docker.refusals import is_hopeless, is_passing
from hai.ports import Observation, WorkerLaunch, WorkerPhase

log = structlog.get_logger("hai.launcher.docker")

START_SECONDS = 10.0  # for a container that was made to appear
_APPEAR_LOOKS, _APPEAR_SECONDS = 100, 0.05  # for a container that another process makes
_RECORDS = 10_000  # ends that are remembered for containers that are not there any more


class DockerLauncher:
    """`images` pulls what is not here, `nodes` knows what a node's share is."""

    name = "docker"
    takes_images = True
    runs_programs = True

    def __init__(
        self,
        engine: DockerEngine,
        nodes: DockerNodes,
        options: DockerOptions,
        *,
        network: str = "own",
        pull: str = "missing",
        data_dir: Path,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._engine = engine
        self._nodes = nodes
        self._options = options
        self._network = network
        self._pull = pull
        self._data_dir = data_dir
        self._monotonic = monotonic
        self._agent: Path | None = None
        self._opened_at = monotonic()
        self._is_open = False
        self._working: defaultdict[WorkerKey, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._launched_at: dict[WorkerKey, float] = {}
        self._making: set[WorkerKey] = set()  # containers, now: a busy engine takes its time
        self._waits: dict[WorkerKey, str] = {}  # why a container could not be made yet
        self._ends: OrderedDict[WorkerKey, Observation] = OrderedDict()
        self._forgotten: set[WorkerKey] = set()  # whose containers may still be seen
        self._removing: set[WorkerKey] = set()  # by us, now
        engine.listen(self._on_gone)

    async def open(self) -> None:
        if self._is_open:
            return
        self._is_open = True
        self._opened_at = self._monotonic()
        await self._engine.open()
        self._networks = Networks(self._engine.client, self._engine.records, self._network)
        self._images = Images(self._engine.client, self._pull, self._monotonic)
        try:
            await self._networks.sweep(self._engine.platform)
        except Unavailable as error:  # the engine may come later; nothing is lost
            log.warning("engine_away", error=error.message)

    async def close(self) -> None:
        """Containers stay as they are."""
        if self._is_open:
            self._is_open = False
            await self._images.close()
            await self._engine.close()

    # launch

    async def launch(self, worker: WorkerLaunch) -> None:
        key = worker.key
        async with self._working[key]:
            with launch_errors(key, self._waits, (Unavailable, Conflict)):
                await self._launch(worker)

    async def _launch(self, worker: WorkerLaunch) -> None:
        key = worker.key
        known = self._engine.view.get(self._name(key))
        if key in self._ends or (known is not None and known.state != "created"):
            return
        record = await asyncio.to_thread(self._engine.records.get, key)
        if record is not None and record.is_cancelled:
            return
        was_started = record is not None and record.is_started
        if was_started and known is None and not await self._is_there(key):
            return  # somebody removed it: it is not to run twice
        self._launched_at.setdefault(key, self._monotonic())
        self._forgotten.discard(key)
        await asyncio.to_thread(self._engine.records.make, key)
        self._making.add(key)
        try:
            container = await self._make(worker)
        finally:
            self._making.discard(key)
        if key in self._launched_at:
            self._launched_at[key] = self._monotonic()
        if container is not None:
            await self._start(key, container)

    async def _is_there(self, key: WorkerKey) -> bool:
        try:
            await self._engine.client.get(f"/containers/{self._name(key)}/json")
        except NotFound:
            return False
        return True

    async def _make(self, worker: WorkerLaunch) -> str | None:
        """The id of the container, ready to start; None when it has been started before."""
        key, name = worker.key, self._name(worker.key)
        made: str | None
        outfit = outfit_of(worker, self._options)
        platform = self._engine.platform
        network = self._networks.name_of(platform, key, on_host="host_network" in worker.privileges)
        share = part_of(worker, await self._nodes.share_of(worker.node))
        order = order_of(
            worker,
            self._options,
            outfit,
            platform=platform,
            network=network,
            share=share,
            agent=str(await self._agent_path()),
        )
        await asyncio.to_thread(make_log_folder, worker, self._options, outfit)
        # an engine looks for the network when the container starts: both are made at once
        placing = asyncio.create_task(self._networks.place(network, platform, key))
        try:
            made = await self._create(name, order, placing)
        except Conflict:
            known = await self._made_by_others(name)
            made = str(known["Id"]) if known["State"]["Status"] == "created" else None
        finally:
            await asyncio.wait({placing})
        place = await placing
        if made is not None:
            spec = spec_of(worker, self._options, outfit, place, share)
            await self._engine.client.put_files(made, "/", render.files(spec, outfit.account))
        return made

    async def _made_by_others(self, name: str) -> Mapping[str, Any]:
        """Its name is taken a moment before it can be seen."""
        for _ in range(_APPEAR_LOOKS):
            try:
                known: Mapping[str, Any] = await self._engine.client.get(f"/containers/{name}/json")
            except NotFound:
                await asyncio.sleep(_APPEAR_SECONDS)
            else:
                return known
        raise Unavailable(f"container {name} comes and goes")

    async def _create(
        self, name: str, order: render.ContainerOrder, placing: "asyncio.Task[ContainerNetwork]"
    ) -> str:
        body = render.container(order)
        for _ in range(2):
            try:
                made = await self._engine.client.post("/containers/create", body, name=name)
            except NotFound as error:
                if "no such image" in error.message.lower():
                    await self._images.fetch(order.image)
                else:
                    await placing  # an engine that looks for it now
            else:
                self._engine.view.note(Container(str(made["Id"]), name, order.labels))
                return str(made["Id"])
        raise Unavailable(f"image {order.image} or network {order.network} comes and goes")

    async def _start(self, key: WorkerKey, container: str) -> None:
        """A killer writes its mark first and removes the container then."""
        await asyncio.to_thread(self._engine.records.start, key)
        record = await asyncio.to_thread(self._engine.records.get, key)
        if record is None or record.is_cancelled:
            await self._remove_container(key)
            return
        try:
            await self._engine.client.post(f"/containers/{container}/start")
        except NotFound as error:
            if "no such container" in error.message.lower():
                return  # killed meanwhile
            self._networks.forget(attempt_name(self._engine.platform, key))
            if "network" in error.message.lower():
                raise Unavailable(error.message) from error
            await self._refuse(key, error)
        except (EngineTrouble, InvalidInput) as error:
            await self._refuse(key, error)

    async def _refuse(self, key: WorkerKey, error: HaiError) -> None:
        """What the engine could not start: for ever, or to be tried again."""
        is_trouble = isinstance(error, EngineTrouble) or is_passing(error.message)
        if not is_trouble or is_hopeless(error.message):
            await self._remove_container(key)
            raise PlatformError(error.message) from error
        raise Unavailable(error.message) from error

    async def _agent_path(self) -> Path:
        if self._agent is None or not self._agent.is_file():
            self._agent = await asyncio.to_thread(build_agent, self._data_dir / "agent")
        return self._agent

    def _name(self, key: WorkerKey) -> str:
        return worker_name(self._engine.platform, key)

    # kill and forget

    async def kill(self, key: WorkerKey) -> None:
        known = self._engine.view.get(self._name(key))
        if known is not None and known.is_over:
            await self._end_of(key, known)
            return
        await asyncio.to_thread(self._engine.records.cancel, key)
        await self._remove_container(key)
        self._ends.setdefault(key, Observation(key, WorkerPhase.LOST, detail="killed"))

    async def _remove_container(self, key: WorkerKey) -> None:
        """With its processes and its anonymous volumes; harmless when it is gone."""
        name = self._name(key)
        self._removing.add(key)
        try:
            await self._engine.client.delete(f"/containers/{name}", force=True, v=True)
        except NotFound:
            pass
        except Conflict as error:  # somebody else removes it right now
            raise Unavailable(f"container {name} does not go away: {error.message}") from error
        finally:
            self._removing.discard(key)
        self._engine.view.drop(name)

    async def forget(self, key: WorkerKey) -> None:
        self._forgotten.add(key)
        try:
            await self._remove_container(key)
            await self._networks.release(self._engine.platform, key)
            await asyncio.to_thread(self._engine.records.remove, key)
        except BaseException:
            self._forgotten.discard(key)  # seen again, so that somebody asks again
            raise
        for known in (self._launched_at, self._waits, self._ends, self._working):
            known.pop(key, None)

    # observe

    async def observe(self) -> list[Observation]:
        await self._engine.view.require()
        records = await asyncio.to_thread(self._engine.records.all)
        found = {
            key: one for one in self._engine.view.all() if (key := key_of(one.labels)) is not None
        }
        self._forgotten &= found.keys() | records.keys()
        wanted = (records.keys() | self._ends.keys() | found.keys()) - self._forgotten
        return [await self._look(key, found.get(key), records) for key in sorted(wanted)]

    async def _look(
        self, key: WorkerKey, one: Container | None, records: Mapping[WorkerKey, DockerRecord]
    ) -> Observation:
        if key in self._ends:
            return self._ends[key]
        if one is None:
            return self._without_container(key, records.get(key, DockerRecord()))
        if one.is_over:
            try:
                return await self._end_of(key, one)
            except Unavailable as error:  # one container's trouble does not hide the others
                return Observation(key, WorkerPhase.UNKNOWN, detail=error.message)
        if one.state == "created" and key in self._waits:
            return Observation(key, WorkerPhase.PENDING, detail=self._waits[key])
        return Observation(key, WorkerPhase.ALIVE)

    def _without_container(self, key: WorkerKey, record: DockerRecord) -> Observation:
        if record.is_cancelled:
            return Observation(key, WorkerPhase.LOST, detail="killed")
        if key in self._waits:
            return Observation(key, WorkerPhase.PENDING, detail=self._waits[key])
        since = max(self._launched_at.get(key, self._opened_at), self._opened_at)
        if key in self._making or self._monotonic() - since < START_SECONDS:
            return Observation(key, WorkerPhase.ALIVE)
        return Observation(key, WorkerPhase.NODE_LOST, detail="its container is gone")

    async def _end_of(self, key: WorkerKey, one: Container) -> Observation:
        """Read once; the container keeps it for whoever comes after us."""
        if key in self._ends:
            return self._ends[key]
        client = self._engine.client
        try:
            raw = await client.read_file(one.id, render.END_FILE)
        except NotFound:
            raw = None
        try:
            end = reported(key, raw) or ends.unreported(
                key, await client.get(f"/containers/{one.id}/json"), is_cut_off=one.is_cut_off
            )
        except NotFound:
            end = Observation(key, WorkerPhase.NODE_LOST, detail=ends.removed(one.name))
        self._keep(key, end)
        return end

    def _on_gone(self, gone: Container) -> None:
        """Keep how a container ended that somebody else removed."""
        key = key_of(gone.labels)
        if key is None or key in self._forgotten | self._removing or key in self._ends:
            return
        record = self._engine.records.get(key)
        if record is None or record.is_cancelled:
            return  # another process of the platform removed it
        self._keep(key, Observation(key, WorkerPhase.NODE_LOST, detail=ends.removed(gone.name)))

    def _keep(self, key: WorkerKey, end: Observation) -> None:
        self._ends[key] = end
        while len(self._ends) > _RECORDS:
            self._ends.popitem(last=False)
