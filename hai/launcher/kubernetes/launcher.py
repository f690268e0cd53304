"""Workers as pods. The contract is that of hai.ports.Launcher.

A worker's record in the cluster is its Secret, made before its pod and removed last: it holds the
agent's order, and once it is labelled as cancelled and emptied, no pod of that name can start
anything. Pods are deleted with a moment's grace, so that their node confirms the end; one on a node
that does not answer stays in deletion, and its kubelet ends it when it is back.
"""

import contextlib
import json
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import structlog

from hai.core.task import WorkerKey
from hai.errors import Conflict, HaiError, NotFound, OverQuota, PlatformError, Unavailable
from hai.kubernetes.errors import AlreadyExists
from hai.kubernetes.manifests import PodOrder, pod, secret, service
from hai.kubernetes.reflector import ObjectChange
from hai.launcher.containers import Outfit, launch_errors, outfit_of
from hai.launcher.kubernetes import sights
from hai.launcher.kubernetes.agents import AgentStore
from hai.launcher.kubernetes.cluster import KubernetesCluster
from hai.launcher.kubernetes.names import (
    CANCELLED,
    NUDGE,
    RANK,
    SELECTOR,
    attempt_labels,
    attempt_name,
    key_of,
    worker_labels,
    worker_name,
)
from hai.launcher.kubernetes.orders import PodOptions, order_of, spec_of
from hai.launcher.kubernetes.patience import Contact, Heard, NodeClocks, Since
from hai.launcher.kubernetes.shares import EqualShares, Shares
from hai.ports import Observation, WorkerLaunch, WorkerPhase

log = structlog.get_logger("hai.launcher.kubernetes")

START_SECONDS = 10.0  # for a pod that was made to appear
NUDGE_SECONDS = 2.0  # for a killed pod to be gone before its kubelet is reminded
GONE_SECONDS = 5.0  # and after that
FREE_SECONDS = 20.0  # for the pods of earlier attempts to leave a node
USUAL_SECONDS = 15.0  # until a pod has its containers, if its image is on the node
HOPELESS_SECONDS = 20.0  # of waiting for what will not come by itself
_KILL_GRACE_SECONDS = 1
# A gang of 200 that is started again and again must not fill the cluster's own store (2 GiB by
# default, with all that was there in the last 5 minutes).
MOST_SPEC_BYTES = 64 * 1024
_NO_POD = "its pod is gone from the cluster"
_RECORDS = 10_000  # ends that are remembered for pods that are not there any more


@dataclass(frozen=True, slots=True)
class Gone:
    """A pod that went without its node's word. `has_begun`: its container had started by then."""

    why: str
    has_begun: bool = True


class KubernetesLauncher:
    """`heard` tells which of these workers' agents have spoken to the server lately: a node that
    only its cluster has lost sight of is not lost."""

    name = "kubernetes"
    takes_images = True
    runs_programs = True

    def __init__(
        self,
        cluster: KubernetesCluster,
        agents: AgentStore,
        options: PodOptions,
        heard: Heard,
        *,
        shares: Shares | EqualShares | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._cluster = cluster
        self._agents = agents
        self._options = options
        self._monotonic = monotonic
        self._shares = shares or Shares(cluster, options)
        self._contact = Contact(heard, options.lost_after_seconds, monotonic)
        self._nodes = NodeClocks(
            cluster, options.lost_after_seconds, options.agent.fence_seconds, monotonic
        )
        self._hopeless: Since[tuple[WorkerKey, str]] = Since(monotonic)
        self._starting: Since[WorkerKey] = Since(monotonic)
        self._secrets: dict[WorkerKey, bool] | None = None  # whether they are cancelled
        self._launched_at: dict[WorkerKey, float] = {}
        self._making: set[WorkerKey] = set()  # pods, now: a cluster that is busy takes its time
        self._opened_at = monotonic()
        self._waits: dict[WorkerKey, str] = {}  # why a pod could not be made yet
        self._ends: OrderedDict[WorkerKey, Observation] = OrderedDict()  # of pods that are gone
        # what was seen to go although no node had said that nothing of it runs
        self._gone: OrderedDict[WorkerKey, Gone] = OrderedDict()
        self._forgotten: set[WorkerKey] = set()  # whose pods may still be seen
        self._is_open = False
        cluster.listen(self._on_change)

    async def open(self) -> None:
        if not self._is_open:
            self._is_open = True
            self._opened_at = self._monotonic()
            await self._cluster.open()

    async def close(self) -> None:
        """Pods stay as they are."""
        if self._is_open:
            self._is_open = False
            await self._shares.close()
            await self._cluster.close()

    # launch

    async def launch(self, worker: WorkerLaunch) -> None:
        key = worker.key
        name = worker_name(key)
        gone = self._gone.get(key)
        is_new = gone is None or gone.why == _NO_POD
        if self._cluster.pod(name) is not None or key in self._ends or not is_new:
            return
        self._gone.pop(key, None)
        self._launched_at.setdefault(key, self._monotonic())
        self._forgotten.discard(key)
        # a namespace whose quota is used up has room again some day: that is no failure
        self._making.add(key)
        try:
            with launch_errors(key, self._waits, (Unavailable, Conflict, OverQuota)):
                await self._make(worker, name)
        finally:
            self._making.discard(key)
        if key in self._launched_at:
            self._launched_at[key] = self._monotonic()

    async def _make(self, worker: WorkerLaunch, name: str) -> None:
        key = worker.key
        agent = await self._agents.source()
        resources = await self._resources_of(worker)
        outfit = outfit_of(worker, self._options)
        order = order_of(worker, self._options, outfit, agent, resources)
        spec = self._spec(worker, outfit, order)
        record = secret(name, order.namespace, order.labels, {"spec.json": spec})
        try:
            await self._cluster.client.create(self._cluster.path("secrets"), record)
            self._note(key, cancelled=False)
        except AlreadyExists:
            if await self._is_cancelled(key, name):
                return
        if self._shares.are_whole_nodes and worker.asks is None:
            await self._wait_for_room(worker, order)
        try:
            made = await self._cluster.client.create(self._cluster.path("pods"), pod(order))
        except AlreadyExists:
            made = await self._cluster.client.get(self._cluster.path("pods", name))
        if key.rank == 0:
            await self._make_service(key, order, made)

    async def _resources_of(self, worker: WorkerLaunch) -> dict[str, float]:
        if worker.asks is None:
            return await self._shares.of(worker.node)
        return await self._shares.part_of(worker.node, worker.asks)

    def _spec(self, worker: WorkerLaunch, outfit: Outfit, order: PodOrder) -> bytes:
        data = json.dumps(spec_of(worker, self._options, outfit, order)).encode()
        if len(data) > MOST_SPEC_BYTES:
            raise PlatformError(
                f"the task's document takes {len(data) // 1024} KiB, and a pod's at most "
                f"{MOST_SPEC_BYTES // 1024}",
                hint="put large values into a file of the workspace",
            )
        return data

    async def _is_cancelled(self, key: WorkerKey, name: str) -> bool:
        known = await self._cluster.client.get_or_none(self._cluster.path("secrets", name))
        cancelled = known is None or CANCELLED in known["metadata"].get("labels", {})
        self._note(key, cancelled=cancelled)
        return cancelled

    async def _make_service(
        self, key: WorkerKey, order: PodOrder, owner: Mapping[str, Any]
    ) -> None:
        if owner["metadata"].get("deletionTimestamp"):
            return
        body = service(order, attempt_labels(key), dict(owner))
        body["metadata"]["labels"].pop(RANK, None)
        try:
            await self._cluster.client.create(self._cluster.path("services"), body)
        except AlreadyExists:
            return
        except HaiError as error:
            # names for its pods are a convenience: the agents find each other without them
            log.warning("service_not_made", attempt=attempt_name(key), error=error.message)

    async def _wait_for_room(self, worker: WorkerLaunch, order: PodOrder) -> None:
        """The node is free when nothing of an earlier attempt lives there."""
        mine = (worker.key.task_id, worker.key.attempt)

        def others() -> list[str]:
            return [
                item["metadata"]["name"]
                for item in self._cluster.pods()
                if sights.node_of(item) == order.node
                and not sights.is_over(item)
                and (key := key_of(item)) is not None
                and (key.task_id, key.attempt) != mine
            ]

        if not await self._cluster.wait_for_pods(lambda: not others(), FREE_SECONDS):
            raise Unavailable(f"{order.node} is not free: pod {others()[0]} is still leaving")

    def _note(self, key: WorkerKey, *, cancelled: bool) -> None:
        if self._secrets is not None:
            self._secrets[key] = cancelled

    # kill and forget

    async def kill(self, key: WorkerKey) -> None:
        name = worker_name(key)
        known = self._cluster.pod(name)
        if known is not None and sights.is_over(known):
            return
        if known is None and await self._was_left_behind(key):
            self._gone.setdefault(key, Gone(_NO_POD))
        await self._cancel(key, name)
        self._ends.setdefault(key, Observation(key, WorkerPhase.LOST, detail="killed"))
        await self._delete_pod(name)
        if not await self._cluster.wait_for_pods(lambda: self._is_gone(name), NUDGE_SECONDS):
            await self._nudge(name)
        if not await self._cluster.wait_for_pods(lambda: self._is_gone(name), GONE_SECONDS):
            known = self._cluster.pod(name)
            node = sights.node_of(known) if known is not None else ""
            if not self._nodes.is_lost(node) or await self._contact.may_run(key):
                raise Unavailable(f"pod {name} on {node} does not go away")
        if await self._may_run_unseen(key):
            raise Unavailable(f"what ran in pod {name} may still run")

    async def _was_left_behind(self, key: WorkerKey) -> bool:
        """An earlier server's, whose pod went while nobody looked."""
        if key in self._ends or key in self._launched_at:
            return False
        return (await self._known_secrets()).get(key) is False

    async def _may_run_unseen(self, key: WorkerKey) -> bool:
        """The pod went without its node's word. What had not begun waits for the server's."""
        gone = self._gone.get(key)
        if gone is None:
            return False
        if gone.has_begun:
            return await self._contact.may_run(key)
        return await self._contact.is_fresh(key)

    async def _nudge(self, name: str) -> None:
        """A kubelet before 1.22 that was told to end a pod while it started its container looks at
        it again a minute later, or when the pod changes."""
        mark = {"metadata": {"annotations": {NUDGE: f"{self._monotonic():.3f}"}}}
        with contextlib.suppress(NotFound):
            await self._cluster.client.patch(self._cluster.path("pods", name), mark)

    def _is_gone(self, name: str) -> bool:
        known = self._cluster.pod(name)
        return known is None or sights.is_over(known)

    async def _cancel(self, key: WorkerKey, name: str) -> None:
        """From here on no pod of that name starts anything."""
        path = self._cluster.path("secrets", name)
        change = {"metadata": {"labels": {CANCELLED: "true"}}, "data": {"spec.json": None}}
        for _ in range(3):
            try:
                await self._cluster.client.patch(path, change)
                break
            except NotFound:
                labels = {**worker_labels(key), CANCELLED: "true"}
                record = secret(name, self._cluster.namespace, labels, {})
                try:
                    await self._cluster.client.create(self._cluster.path("secrets"), record)
                    break
                except AlreadyExists:  # a launch came between
                    continue
        else:
            raise Unavailable(f"secret {name} comes and goes")
        self._note(key, cancelled=True)

    async def _delete_pod(self, name: str) -> None:
        known = self._cluster.pod(name)
        over = known is not None and sights.is_over(known)
        with contextlib.suppress(NotFound):
            await self._cluster.client.delete(
                self._cluster.path("pods", name), grace_seconds=0 if over else _KILL_GRACE_SECONDS
            )

    async def forget(self, key: WorkerKey) -> None:
        name = worker_name(key)
        last = self._cluster.pod(name)
        self._forgotten.add(key)
        try:
            await self._delete_pod(name)
            with contextlib.suppress(NotFound):
                await self._cluster.client.delete(self._cluster.path("secrets", name))
        except BaseException:
            self._forgotten.discard(key)  # seen again, so that somebody asks again
            if last is not None and sights.is_over(last):  # its pod may be gone meanwhile
                self._ends.setdefault(key, sights.sight(key, last).observation)
            raise
        if self._secrets is not None:
            self._secrets.pop(key, None)
        for known in (self._launched_at, self._waits, self._ends, self._gone):
            known.pop(key, None)

    # observe

    async def observe(self) -> list[Observation]:
        was_away = self._contact.look()
        await self._cluster.require_view()
        secrets = await self._known_secrets()
        pods = {key: item for item in self._cluster.pods() if (key := key_of(item)) is not None}
        self._forgotten &= pods.keys()
        self._nodes.look(was_away=was_away)
        seen = [
            await self._look(key, item) for key, item in pods.items() if key not in self._forgotten
        ]
        missing = secrets.keys() | self._ends.keys() | self._gone.keys()
        missing -= pods.keys() | self._forgotten
        return seen + [await self._without_pod(key, secrets) for key in sorted(missing)]

    async def _known_secrets(self) -> dict[WorkerKey, bool]:
        """Read once; afterwards this process makes all changes."""
        if self._secrets is None:
            listed = await self._cluster.client.list(
                self._cluster.path("secrets"), labelSelector=SELECTOR
            )
            self._secrets = {
                key: CANCELLED in item["metadata"].get("labels", {})
                for item in listed["items"]
                if (key := key_of(item)) is not None
            }
        return self._secrets

    async def _look(self, key: WorkerKey, item: Mapping[str, Any]) -> Observation:
        seen = sights.sight(key, item)
        node = sights.node_of(item)
        if seen.observation.phase in (WorkerPhase.ALIVE, WorkerPhase.PENDING):
            trouble = self._nodes.trouble(node)
            if trouble is not None and not await self._contact.is_fresh(key):
                phase, _, why = trouble
                if phase is WorkerPhase.NODE_LOST and await self._contact.may_run(key):
                    phase, why = WorkerPhase.UNKNOWN, self._contact.doubt(why)
                return Observation(key, phase, detail=why)
        if key in self._ends and sights.is_over(item):
            return self._ends[key]  # killed
        since = self._hopeless.seconds((key, seen.hopeless)) if seen.hopeless else 0.0
        if since >= HOPELESS_SECONDS:
            detail = f"cannot start: {seen.hopeless}"
            return Observation(key, WorkerPhase.EXITED, sights.CANNOT_START, detail)
        if seen.usual and self._starting.seconds(key) < USUAL_SECONDS:
            return Observation(key, WorkerPhase.ALIVE)
        return seen.observation

    async def _without_pod(self, key: WorkerKey, secrets: Mapping[WorkerKey, bool]) -> Observation:
        if await self._may_run_unseen(key):
            why = self._contact.doubt(self._gone[key].why)
            return Observation(key, WorkerPhase.UNKNOWN, detail=why)
        if key in self._ends:
            return self._ends[key]
        if secrets.get(key):
            return Observation(key, WorkerPhase.LOST, detail="killed")
        if key in self._waits:
            return Observation(key, WorkerPhase.PENDING, detail=self._waits[key])
        if key in self._gone:
            return Observation(key, WorkerPhase.NODE_LOST, detail=self._gone[key].why)
        since = max(self._launched_at.get(key, self._opened_at), self._opened_at)
        if key in self._making or self._monotonic() - since < START_SECONDS:
            return Observation(key, WorkerPhase.ALIVE)
        self._gone.setdefault(key, Gone(_NO_POD))
        return await self._without_pod(key, secrets)

    def _on_change(self, change: ObjectChange) -> None:
        """Keep how a pod ended that somebody else removes."""
        item = change.after or change.before
        key = key_of(item) if item is not None else None
        if key is None or change.kind != "deleted" or key in self._forgotten:
            return
        last = change.before or {}
        if sights.is_over(last):
            self._ends.setdefault(key, sights.sight(key, last).observation)
            self._gone.pop(key, None)
        else:
            name = last.get("metadata", {}).get("name", "")
            self._gone[key] = Gone(f"somebody deleted its pod {name}", sights.has_begun(last))
        for records in (self._ends, self._gone):
            while len(records) > _RECORDS:
                records.popitem(last=False)
