"""Starts the workers of attempts through each node's launcher, and looks at what runs there."""

import asyncio
from collections.abc import Iterable, Mapping
from pathlib import Path

import structlog

from hai.core.gang import WorkerReport
from hai.core.node import Node
from hai.core.task import Attempt, Task, Worker, WorkerKey
from hai.core.types import NodeName, TaskId, WorkerState
from hai.errors import HaiError, PlatformError, Unavailable
from hai.ports import Launcher, Observation, Store, WorkerLaunch
from hai.service.workers import WorkerService, WorkerTokens

log = structlog.get_logger("hai.launching")

_CANNOT_START = 126


class Launching:
    """Every launch goes through here; asking twice for the same worker is harmless."""

    def __init__(
        self,
        store: Store,
        launchers: Mapping[str, Launcher],
        workers: WorkerService,
        tokens: WorkerTokens,
        *,
        log_dir: Path,
        server_url: str,
    ) -> None:
        self._store = store
        self._launchers = launchers
        self._workers = workers
        self._tokens = tokens
        self._log_dir = log_dir
        self._server_url = server_url
        self._nodes: dict[NodeName, Node] = {}
        self._underway: set[asyncio.Task[None]] = set()
        self.launched: set[WorkerKey] = set()  # by this process, not yet forgotten

    def launch_soon(self, tasks: Iterable[Task]) -> None:
        """Launch in the background; what fails is tried again by the reconcile loop."""
        for task in tasks:
            job = asyncio.create_task(self._launch_quietly(task), name=f"launch-{task.id}")
            self._underway.add(job)
            job.add_done_callback(self._underway.discard)

    async def _launch_quietly(self, task: Task) -> None:
        try:
            await self.launch(task)
        except HaiError as error:
            log.warning("launch_failed", task=task.id, error=error.message)

    async def close(self) -> None:
        """Wait for the launches that are on their way."""
        while self._underway:
            await asyncio.gather(*self._underway, return_exceptions=True)

    async def launch(self, task: Task) -> None:
        """Ask for every worker of the task that has not been heard of."""
        attempt = task.attempt
        if attempt is None:
            return
        user = await self._store.user(task.user)
        uid = user.uid if user else None
        created = [w for w in attempt.workers if w.state is WorkerState.CREATED]
        await asyncio.gather(*(self._launch_worker(task, attempt, w, uid) for w in created))

    async def _launch_worker(
        self, task: Task, attempt: Attempt, worker: Worker, uid: int | None
    ) -> None:
        key = WorkerKey(task.id, attempt.number, worker.rank)
        try:
            node = await self._node(worker.node)
            launcher = self._launchers.get(node.launcher)
            if launcher is None:
                raise PlatformError(f"node {node.name} needs the launcher {node.launcher!r}")
            await launcher.launch(self._order(task, attempt, key, node, uid))
            self.launched.add(key)
        except Unavailable as error:
            log.warning("launch_postponed", key=str(key), error=error.message)
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
        self, task: Task, attempt: Attempt, key: WorkerKey, node: Node, uid: int | None
    ) -> WorkerLaunch:
        return WorkerLaunch(
            key=key,
            node=node,
            user=task.user,
            uid=uid,
            task_name=task.name,
            chain_id=task.chain_id,
            group=task.group,
            priority=attempt.priority,
            world_size=task.nodes,
            spec=task.spec,
            whole_life_state=task.whole_life_state,
            log_dir=str(self._log_dir / str(task.id) / str(attempt.number)),
            server_url=self._server_url,
            token=self._tokens.token(key),
            nodes=attempt.nodes,
        )

    async def _node(self, name: NodeName) -> Node:
        if name not in self._nodes:
            self._nodes = {node.name: node for node in await self._store.nodes()}
        try:
            return self._nodes[name]
        except KeyError:
            raise PlatformError(f"node {name} is not part of this platform") from None

    async def observe(self) -> dict[WorkerKey, tuple[Launcher, Observation]]:
        """Every worker that any launcher knows of, by key."""
        seen: dict[WorkerKey, tuple[Launcher, Observation]] = {}
        for launcher in self._launchers.values():
            for observation in await launcher.observe():
                seen[observation.key] = (launcher, observation)
        return seen

    async def kill(self, task: Task, rank: int) -> None:
        """SIGKILL one worker and whatever it left behind."""
        attempt = task.attempt
        if attempt is None:
            return
        node = await self._node(attempt.workers[rank].node)
        launcher = self._launchers.get(node.launcher)
        if launcher is not None:
            await launcher.kill(WorkerKey(task.id, attempt.number, rank))

    async def forget(self, launcher: Launcher, key: WorkerKey) -> None:
        """The end of this worker is recorded."""
        await launcher.forget(key)
        self.launched.discard(key)


def keys_of(task: Task) -> dict[WorkerKey, Worker]:
    """The workers of the current attempt by key; {} when there is none."""
    attempt = task.attempt
    if attempt is None:
        return {}
    number = attempt.number
    return {WorkerKey(TaskId(task.id), number, w.rank): w for w in attempt.workers}
