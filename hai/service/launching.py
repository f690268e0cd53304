"""Starts the workers of attempts through each node's launcher, and looks at what runs there."""

import asyncio
from collections.abc import Awaitable, Iterable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Protocol

import structlog

from hai.core.array_spec import ArraySpec
from hai.core.identity import User
from hai.core.lifecycle.attempt_protocol import WorkerReport
from hai.core.lifecycle.losses import NOT_STARTED
from hai.core.logdirs import attempt_dir
from hai.core.node import Node
from hai.core.task import Attempt, Task, Worker, WorkerKey
from hai.core.types import NodeName, TaskId, WorkerState
from hai.errors import HaiError, PlatformError, Unavailable
from hai.ports import Cluster, Identity, Launcher, Leading, WorkerLaunch
from hai.service.access import require_account
from hai.service.equipment import Equipment
from hai.service.launchers import Launchers, LaunchersReport
from hai.service.workers import WorkerService, WorkerTokens

log = structlog.get_logger("hai.launching")

_CANNOT_START = 126


class LaunchingStore(Identity, Cluster, Leading, Protocol):
    """What is needed of the store here."""


class Launching:
    """Every launch goes through here; asking twice for the same worker is harmless."""

    def __init__(
        self,
        store: LaunchingStore,
        launchers: Launchers,
        workers: WorkerService,
        tokens: WorkerTokens,
        *,
        log_dir: Path,
        server_url: str,
        equipment: Equipment | None = None,
    ) -> None:
        self._store = store
        self._launchers = launchers
        self._workers = workers
        self._tokens = tokens
        self._log_dir = log_dir
        self._server_url = server_url
        self._equipment = equipment  # None: no launcher here takes images
        self._nodes: dict[NodeName, Node] = {}
        self._reading_nodes = asyncio.Lock()
        self._underway: dict[tuple[TaskId, int], asyncio.Task[None]] = {}  # by task and attempt
        self.launched: set[WorkerKey] = set()  # by this process, and not heard of yet
        self.reasons: dict[WorkerKey, str] = {}  # why workers were killed, until they are removed

    def launch_soon(self, tasks: Iterable[Task]) -> None:
        """Launch in the background, once at a time; what fails is tried again by the reconcile
        loop."""
        self._nodes = {}  # an admin may have changed them since
        for task in tasks:
            of = (task.id, task.attempts)
            if not self.is_underway(task):
                job = asyncio.create_task(self._launch_quietly(task), name=f"launch-{task.id}")
                self._underway[of] = job
                job.add_done_callback(partial(self._land, of))

    def is_underway(self, task: Task) -> bool:
        """Whether the workers of its attempt are being launched now."""
        return (task.id, task.attempts) in self._underway

    def _land(self, of: tuple[TaskId, int], _job: asyncio.Task[None]) -> None:
        self._underway.pop(of, None)

    async def _launch_quietly(self, task: Task) -> None:
        try:
            await self.launch(task)
        except HaiError as error:
            log.warning("launch_failed", task=task.id, error=error.message)
        except Exception:  # the boundary: nobody waits for this job, so nobody else would say it
            log.exception("launch_failed", task=task.id)

    async def close(self) -> None:
        """Wait for the launches that are on their way."""
        while self._underway:
            await asyncio.gather(*self._underway.values(), return_exceptions=True)

    async def launch(self, task: Task) -> None:
        """Ask for every worker of the task that has not been heard of."""
        attempt = task.attempt
        if attempt is None:
            return
        user = await self._store.user(task.user)
        created = [w for w in attempt.workers if w.state is WorkerState.CREATED]
        await asyncio.gather(*(self._launch_worker(task, attempt, w, user) for w in created))

    async def _launch_worker(
        self, task: Task, attempt: Attempt, worker: Worker, user: User | None
    ) -> None:
        key = WorkerKey(task.id, attempt.number, worker.rank)
        try:
            node = await self._node(worker.node)
            launcher = self._launchers.get(node.launcher)
            if launcher is None:
                raise PlatformError(f"node {node.name} needs the launcher {node.launcher!r}")
            order = self._order(task, attempt, key, node, user)
            if launcher.runs_programs:
                require_account(task.user, order.uid)
            if launcher.takes_images:
                order = await self._equipped(order, task, user)
            self._require_lead()
            await launcher.launch(order)
            self.launched.add(key)
        except Unavailable as error:
            log.warning("launch_postponed", key=str(key), error=error.message)
            held_up = WorkerReport(
                rank=key.rank,
                attempt=key.attempt,
                state=WorkerState.CREATED,
                detail=f"{NOT_STARTED}: {error.message}",
            )
            await self._workers.fold({task.id: [held_up]})
        except HaiError as error:
            log.warning("launch_refused", key=str(key), error=error.message)
            report = WorkerReport(
                rank=key.rank,
                attempt=key.attempt,
                state=WorkerState.EXITED,
                exit_code=_CANNOT_START,
                detail=f"cannot start: {error.message}",
            )
            await self._workers.fold({task.id: [report]})

    def _order(
        self, task: Task, attempt: Attempt, key: WorkerKey, node: Node, user: User | None
    ) -> WorkerLaunch:
        return WorkerLaunch(
            key=key,
            node=node,
            user=task.user,
            uid=user.uid if user else None,
            task_name=task.name,
            chain_id=task.chain_id,
            group=task.group,
            priority=attempt.priority,
            world_size=task.nodes,
            spec=_spec_of(task),
            whole_life_state=task.whole_life_state,
            log_dir=str(attempt_dir(self._log_dir, task.user, task.id, attempt.number)),
            server_url=self._server_url,
            token=self._tokens.token(key),
            nodes=attempt.nodes,
            asks=task.asks,
            gpu_indices=attempt.workers[key.rank].gpu_indices,
        )

    async def _equipped(self, order: WorkerLaunch, task: Task, user: User | None) -> WorkerLaunch:
        if self._equipment is None:
            return order
        given = await self._equipment.of(task, user, order.node, order.key.rank)
        return replace(
            order,
            gid=given.gid,
            groups=given.groups,
            image=given.image,
            mounts=given.mounts,
            capabilities=given.capabilities,
            privileges=given.privileges,
        )

    async def _node(self, name: NodeName) -> Node:
        async with self._reading_nodes:  # one reads, the others wait for it
            nodes = self._nodes
            if name not in nodes:
                nodes = self._nodes = {node.name: node for node in await self._store.nodes()}
        try:
            return nodes[name]
        except KeyError:
            raise PlatformError(f"node {name} is not part of this platform") from None

    async def look(self) -> LaunchersReport:
        """Every worker that any launcher tells of, and what nobody can tell now."""
        sight = await self._launchers.look()
        if not sight.silent:
            return sight
        nodes = await self._store.nodes()
        unknown = frozenset(node.name for node in nodes if node.launcher in sight.silent)
        return replace(sight, unknown_nodes=unknown)

    async def silence_of(self, launcher: str) -> str:
        """Why the launcher of that name does not tell what runs; empty when it does."""
        return await self._launchers.silence_of(launcher)

    async def kill(self, key: WorkerKey, node: NodeName, why: str = "") -> bool:
        """SIGKILL one worker and whatever it left behind; False: ask again later. `why`: what is
        to be said of its end, if it is not the end of an order to leave."""
        if why:
            self.reasons[key] = why
        return await _succeeds("kill", key, self._kill_on(node, key))

    async def kill_orphan(self, launcher: Launcher, key: WorkerKey) -> bool:
        """SIGKILL a worker that no task wants; False: ask again later."""
        return await _succeeds("kill", key, self._do("kill", launcher, key))

    async def remove(self, launcher: Launcher, key: WorkerKey) -> bool:
        """The end of this worker is recorded: remove what is left of it; False: ask again later."""
        self.reasons.pop(key, None)
        return await _succeeds("remove", key, self._remove(launcher, key))

    async def _remove(self, launcher: Launcher, key: WorkerKey) -> None:
        # first: an agent that died leaves its program's processes behind
        await self._do("kill", launcher, key)
        await self._do("forget", launcher, key)

    async def _do(self, what: str, launcher: Launcher, key: WorkerKey) -> None:
        self._require_lead()
        await self._launchers.do(what, launcher, key)

    def _require_lead(self) -> None:
        """Raises Unavailable unless it is sure that this process leads: the database refuses what a
        former leader writes, and this what it would do to workers, as when it was stopped and goes
        on in the middle of a run."""
        if not self._store.is_leading:
            raise Unavailable("another process may lead by now")

    async def _kill_on(self, name: NodeName, key: WorkerKey) -> None:
        """By the node's launcher; by all of them if the node is no longer part of the platform."""
        try:
            launcher = self._launchers.get((await self._node(name)).launcher)
        except PlatformError:
            launcher = None
        for one in self._launchers if launcher is None else (launcher,):
            await self._do("kill", one, key)


def _spec_of(task: Task) -> Mapping[str, object]:
    """The document, with what a member of an array finds in its environment."""
    if task.array_id is None:
        return task.spec
    size = ArraySpec.parse(task.options["array"]).size
    own = {
        "HAI_ARRAY_ID": str(task.array_id),
        "HAI_ARRAY_INDEX": str(task.array_index),
        "HAI_ARRAY_SIZE": str(size),
    }
    program = task.spec["spec"]
    if not isinstance(program, Mapping):
        return task.spec
    return {
        **task.spec,
        "spec": {**program, "environments": {**program.get("environments", {}), **own}},
    }


async def _succeeds(what: str, key: WorkerKey, work: Awaitable[None]) -> bool:
    """Whether the work was done; one worker's trouble is logged and costs the others nothing."""
    try:
        await work
    except HaiError as error:
        log.warning(f"{what}_failed", key=str(key), error=error.message)
        return False
    except Exception:  # the boundary: a loop looks after many workers
        log.exception(f"{what}_failed", key=str(key))
        return False
    return True


def keys_of(task: Task) -> dict[WorkerKey, Worker]:
    """The workers of the current attempt by key; {} when there is none."""
    attempt = task.attempt
    if attempt is None:
        return {}
    number = attempt.number
    return {WorkerKey(TaskId(task.id), number, w.rank): w for w in attempt.workers}
