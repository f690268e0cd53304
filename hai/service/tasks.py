"""What users do to tasks: submit, find, stop, suspend, resume, change priority."""

import uuid
from collections.abc import Callable, Sequence

from hai.core import lifecycle
from hai.core.identity import User
from hai.core.quota import QuotaTable
from hai.core.task import Change, Task, TaskDraft
from hai.core.types import GroupName, Priority, TaskId, UserName
from hai.errors import Conflict, HaiError, InvalidInput, NotFound, OverQuota
from hai.ports import Bus, Clock, Store, TaskPage, TaskQuery
from hai.schema.submission import Submission
from hai.service.access import require_owner
from hai.service.batch import Batcher
from hai.service.cluster import ClusterCache
from hai.service.signals import EVENTS, SCHEDULE, announce

_TRIES = 8


class TaskService:
    """Use-cases of tasks over the store; every change is one guarded write."""

    def __init__(
        self, store: Store, bus: Bus, clock: Clock, cluster: ClusterCache, default_group: str
    ) -> None:
        self._store = store
        self._bus = bus
        self._clock = clock
        self._cluster = cluster
        self._default_group = default_group
        self._batcher: Batcher[TaskDraft, Task | HaiError] = Batcher(self._add)

    async def submit(self, user: User, submission: Submission) -> Task:
        """One new queued task. InvalidInput, OverQuota or NameInUse change nothing."""
        draft = self._draft(user, submission)
        await self._check(draft)
        result = await self._batcher.put(draft)
        if isinstance(result, HaiError):
            raise result
        return result

    async def _add(self, drafts: Sequence[TaskDraft]) -> list[Task | HaiError]:
        results = await self._store.add_tasks(drafts, self._clock.now())
        await self._bus.publish(SCHEDULE)
        await self._bus.publish(EVENTS)
        return results

    def _draft(self, user: User, submission: Submission) -> TaskDraft:
        resource = submission.resource
        group, _, _zone = resource.group.partition("#")
        if group in ("", "default"):
            group = self._default_group
        request_id = submission.request_id
        return TaskDraft(
            user=user.name,
            name=submission.name,
            group=GroupName(group),
            nodes=resource.node_count,
            priority=submission.priority,
            spec=submission.model_dump(mode="json", exclude={"request_id"}),
            chain_id=str(uuid.uuid4()),
            request_id=request_id,
            whole_life_state=int(submission.options.get("whole_life_state", 0)),
        )

    async def _check(self, draft: TaskDraft) -> None:
        """Refuse at once what can never run: unknown group, wider than the group or the quota."""
        shape = await self._cluster.shape()
        size = shape.group_sizes.get(draft.group)
        if size is None:
            known = ", ".join(sorted(shape.group_sizes)) or "none"
            raise InvalidInput(f"there is no group {draft.group!r}", hint=f"groups here: {known}")
        if draft.nodes > size:
            raise InvalidInput(
                f"{draft.nodes} nodes were asked for, and {draft.group} has {size}",
                hint="ask for fewer nodes with -n; hai-cli nodes lists them",
            )
        _check_quota(draft, shape.quotas)

    # finding

    async def find(self, user: User, ref: str) -> Task:
        """A task by id, by the user's own name for it, or "@last" (the user's newest)."""
        task = await self._look_up(user, ref)
        if task is None:
            raise NotFound(
                f"there is no task {ref!r}",
                hint="hai-cli list shows yours, hai-cli list -a everybody's",
            )
        return task

    async def _look_up(self, user: User, ref: str) -> Task | None:
        if ref.isascii() and ref.isdigit():
            return await self._store.task(TaskId(int(ref))) if len(ref) < 19 else None
        if ref == "@last":
            page = await self._store.list_tasks(TaskQuery(user=user.name, page_size=1))
            return page.tasks[0] if page.tasks else None
        if "\0" in ref:
            return None
        return await self._store.task_named(user.name, ref)

    async def list(self, query: TaskQuery) -> TaskPage:
        return await self._store.list_tasks(query)

    # changing

    async def stop(self, user: User, ref: str, why: str) -> Task:
        """End it for good; a task that leaves already stays as it is."""
        return await self._change(
            user,
            ref,
            lambda task: lifecycle.stop(
                task, actor=user.name, why=why or f"stopped by {user.name}", now=self._clock.now()
            ),
        )

    async def suspend(self, user: User, ref: str, why: str) -> Task:
        """Suspend and hold until somebody resumes it."""
        return await self._change(
            user,
            ref,
            lambda task: lifecycle.suspend(
                task,
                actor=user.name,
                why=why or f"suspended by {user.name}",
                hold=True,
                now=self._clock.now(),
            ),
        )

    async def resume(self, user: User, ref: str, why: str) -> Task:
        """Let it stand in line again."""
        return await self._change(
            user,
            ref,
            lambda task: lifecycle.resume(task, actor=user.name, why=why, now=self._clock.now()),
        )

    async def set_priority(self, user: User, ref: str, priority: Priority) -> Task:
        """What the task asks for from now on; OverQuota if it could never run there."""
        task = await self.find(user, ref)
        require_owner(user, task)
        shape = await self._cluster.shape()
        _check_limit(shape.quotas, task.user, task.group, priority, task.nodes)
        return await self._change(
            user,
            ref,
            lambda task: lifecycle.set_priority(
                task, priority, actor=user.name, now=self._clock.now()
            ),
        )

    async def _change(self, user: User, ref: str, verb: Callable[[Task], Change | None]) -> Task:
        task = await self.find(user, ref)
        for _ in range(_TRIES):
            require_owner(user, task)
            change = verb(task)
            if change is None:
                return task
            saved = await self._store.save([change])
            if saved:
                await announce(self._bus, saved)
                return saved[0]
            task = await self.find(user, str(task.id))
        raise Conflict(f"task {task.id} changes too fast", hint="nothing was changed; try again")


def _check_quota(draft: TaskDraft, quotas: QuotaTable) -> None:
    _check_limit(quotas, draft.user, draft.group, draft.priority, draft.nodes)


def _check_limit(
    quotas: QuotaTable, user: UserName, group: GroupName, priority: Priority, nodes: int
) -> None:
    if priority is Priority.AUTO:
        limit, where = quotas.highest(user, group), "at any priority"
    else:
        limit, where = quotas.limit(user, group, priority), f"at {priority.name}"
    if nodes > limit:
        raise OverQuota(
            f"{nodes} nodes are over the quota of {user}: {limit} in {group} {where}",
            hint="hai-cli whoami shows your quotas",
            details={"limit": limit, "nodes": nodes},
        )
