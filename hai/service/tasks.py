"""What users do to tasks: submit, find, stop, suspend, resume, change priority and rank."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

from hai.core.identity import User
from hai.core.idle import IdlePolicy
from hai.core.lifecycle import transitions
from hai.core.quota import QuotaTable
from hai.core.task import Task, TaskChange, TaskDraft
from hai.core.types import GroupName, Priority, TaskId, UserName
from hai.errors import Conflict, HaiError, InvalidInput, NotFound, OverQuota
from hai.ports import Bus, Clock, TaskPage, TaskQuery, Tasks, Watch
from hai.schema.submission import Submission
from hai.service.access import require_account, require_owner
from hai.service.batch import Batcher
from hai.service.changing import TRIES, Verb, change_task
from hai.service.cluster import ClusterCache
from hai.service.containers import JUPYTER, check_containers, is_spot
from hai.service.imaging import check_image
from hai.service.own_services import check_services
from hai.service.shape import Shape
from hai.service.signals import EVENTS, SCHEDULE, announce
from hai.service.submit_limits import SubmitLimits, Waitings
from hai.service.submitting import (
    Members,
    draft_of,
    look_up,
    members_of,
    size_of,
    unfold,
)
from hai.wording import phrases
from hai.wording.refusals import name_in_use, require_time_left
from hai.wording.unknown import no_group

_WHOLE_ARRAY = 1_000_000  # page size: all members


class SubmitStore(Tasks, Watch, Protocol):
    """What is needed of the store here."""


class TaskService:
    """Use-cases of tasks over the store; every change is one guarded write."""

    def __init__(
        self,
        store: SubmitStore,
        bus: Bus,
        clock: Clock,
        cluster: ClusterCache,
        default_group: str,
        limits: SubmitLimits | None = None,
        demote_after_seconds: float = 0.0,
    ) -> None:
        self._store = store
        self._bus = bus
        self._clock = clock
        self._cluster = cluster
        self._default_group = default_group
        self._limits = limits or SubmitLimits()
        self._waitings = Waitings(store, self._limits)
        self._demote_after_seconds = demote_after_seconds
        self._batcher: Batcher[TaskDraft, Task | HaiError] = Batcher(self._add)

    @property
    def idle_policy(self) -> IdlePolicy:
        """Of dev containers."""
        return self._limits.idle

    async def submit(self, user: User, submission: Submission) -> Task:
        """One new queued task; of an array, its first member. InvalidInput, OverQuota or NameInUse
        change nothing."""
        drafts = await self._drafts(user, submission)
        if drafts[0].array is not None:
            return await self._submit_array(user, drafts)
        result = await self._batcher.put(drafts[0])
        if isinstance(result, HaiError):
            raise result
        return result

    async def pretend(self, user: User, submission: Submission) -> Sequence[TaskDraft]:
        """What `submit` would add (of an array, all members), with the refusals that it would
        give; nothing is changed."""
        drafts = await self._drafts(user, submission)
        draft = drafts[0]
        holder = await self._store.task_named(user.name, draft.name)
        if holder is not None and not holder.state.is_final:
            raise name_in_use(draft, holder.id)
        return drafts

    async def _drafts(self, user: User, submission: Submission) -> Sequence[TaskDraft]:
        options = submission.parsed_options
        array = options.array
        if array is not None:
            self._limits.check_size(array)
        waits = await look_up(options.after, lambda ref: self._find_all(user, ref))
        shape = await self._cluster.shape()
        group = self._group_of(submission, shape)
        draft = draft_of(user, submission, group, waits)
        draft = replace(
            draft, asks=self._cluster.sharing.asked(user.name, submission, draft.group, shape)
        )
        if is_spot(submission):
            draft = replace(draft, spot=True, priority=Priority.LOW)
        await self._check(user, draft, submission)
        drafts = [draft] if array is None else unfold(draft, array)
        size = size_of(draft)
        self._limits.check_array(len(drafts), size)
        await self._waitings.check(user, drafts, size)
        return drafts

    async def _add(self, drafts: Sequence[TaskDraft]) -> list[Task | HaiError]:
        results = await self._store.add_tasks(drafts, self._clock.now())
        await self._bus.publish(SCHEDULE)
        await self._bus.publish(EVENTS)
        return results

    async def _submit_array(self, user: User, drafts: Sequence[TaskDraft]) -> Task:
        """All members or none: what was added beside a refusal is stopped again."""
        results = await self._add(drafts)
        refusal = next((result for result in results if isinstance(result, HaiError)), None)
        if refusal is None:
            first = results[0]
            assert isinstance(first, Task)  # noqa: S101 - for the type checker
            return first
        new = [one for one in results if isinstance(one, Task) and one.version == 0]
        await self._change_all(new, self._stop(user, "its array could not be submitted whole"))
        raise refusal

    def _group_of(self, submission: Submission, shape: Shape) -> str:
        group, _, _zone = submission.resource.group.partition("#")
        if group not in ("", "default"):
            return group
        return self._cluster.sharing.default_group(submission, shape) or self._default_group

    async def _check(self, user: User, draft: TaskDraft, submission: Submission) -> None:
        """Refuse at once what can never run: unknown group, wider than the group or the quota, an
        image that its nodes cannot use or that the user may not."""
        shape = await self._cluster.shape()
        size = shape.group_sizes.get(draft.group)
        if size is None:
            raise no_group(draft.group, shape.group_sizes)
        if draft.nodes > size:
            raise InvalidInput(
                f"{draft.nodes} nodes were asked for, and {draft.group} has {size}",
                hint="ask for fewer nodes with -n; hai-cli nodes lists them",
            )
        if draft.group in shape.programs:
            require_account(user.name, user.uid)
        image = submission.resource.image
        without = shape.imageless.get(draft.group, ())
        check_image(image, draft.group, without)
        if self._cluster.images is not None and not without:
            await self._cluster.images.check(user, image)
        check_services(user, draft, shape, self._clock.now())
        self._limits.check_idle(submission.parsed_options, draft.group)
        if draft.asks is not None:
            check_containers(draft, draft.asks, shape)
        elif not draft.spot:
            _check_quota(draft, shape.quotas)

    # finding

    async def find(self, user: User, ref: str) -> Task:
        """A task by id, by the user's own name for it, as a member of an array ("12_[7]"), or
        "@last" (the user's newest). InvalidInput if that names several tasks."""
        members = members_of(ref)
        if members is not None:
            return await self._only(ref, members)
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

    async def _only(self, ref: str, members: Members) -> Task:
        page = await self._page_of(members, 2)
        if len(page.tasks) > 1:
            raise InvalidInput(
                f"{ref} names {page.total:,} tasks, and one is wanted here",
                hint=f"name one of them, as {page.tasks[-1].id} or "
                f"{members.array_id}_[{page.tasks[-1].array_index}]",
            )
        return page.tasks[0]

    async def _find_all(self, user: User, ref: str) -> Sequence[Task]:
        """What a reference names where several tasks are possible: "@last" is the whole array when
        that was submitted last."""
        members = members_of(ref)
        if members is None:
            task = await self.find(user, ref)
            if ref != "@last" or task.array_id is None:
                return [task]
            members = Members(task.array_id)
        page = await self._page_of(members, _WHOLE_ARRAY)
        return sorted(page.tasks, key=lambda task: task.id)

    async def members(self, user: User, ref: str) -> Members:
        """The array of a task, or the members that "12_[0-4]" names; NotFound if there is none."""
        members = members_of(ref)
        if members is not None:
            await self._page_of(members, 1)
            return members
        task = await self.find(user, ref)
        if task.array_id is None:
            raise NotFound(
                f"task {task.id} is no member of an array",
                hint="an array is named by any of its tasks; `hai-cli list -o wide` shows them",
            )
        return Members(task.array_id)

    async def array(self, array_id: TaskId) -> Sequence[Task]:
        """The members of an array by id; NotFound if there is no such array."""
        page = await self._page_of(Members(array_id), _WHOLE_ARRAY)
        return sorted(page.tasks, key=lambda task: task.id)

    async def _page_of(self, members: Members, size: int) -> TaskPage:
        """The newest of the members; NotFound without any."""
        query = TaskQuery(array=members.array_id, indices=members.indices, page_size=size)
        page = await self._store.list_tasks(query)
        if page.tasks:
            return page
        if members.indices and (await self._page_of(Members(members.array_id), 1)).tasks:
            raise NotFound(
                f"array {members.array_id} has no such member",
                hint=f"hai-cli list --array {members.array_id} shows them",
            )
        raise NotFound(
            f"there is no array {members.array_id}",
            hint="an array is named by the id of its first task; hai-cli list shows it",
        )

    async def list(self, query: TaskQuery) -> TaskPage:
        return await self._store.list_tasks(query)

    # changing

    async def stop(self, user: User, ref: str, why: str) -> Task:
        """End it for good; a task that leaves already stays as it is."""
        return await self._change(user, ref, self._stop(user, why))

    async def remove(self, user: User, ref: str) -> Task:
        """Take an ended dev container out of the lists of dev containers. Conflict for any other
        task, and before its end."""

        def verb(task: Task) -> TaskChange | None:
            if task.task_type != JUPYTER:
                raise Conflict(f"task {task.id} is no dev container, and stays as it is")
            return transitions.remove(task, actor=user.name, now=self._clock.now())

        return await self._change(user, ref, verb)

    async def suspend(self, user: User, ref: str, why: str, *, hold: bool = True) -> Task:
        """Suspend and hold until somebody resumes it; without `hold` it stands in line again."""
        return await self._change(user, ref, self._suspend(user, why, hold=hold))

    async def resume(self, user: User, ref: str, why: str) -> Task:
        """Let it stand in line again."""
        return await self._change(user, ref, self._resume(user, why))

    async def change_array(
        self, user: User, array_id: TaskId, action: str, why: str
    ) -> Sequence[Task]:
        """Stop, suspend or resume all members that have not ended; those that were changed."""
        verbs = {"stop": self._stop, "suspend": self._suspend, "resume": self._resume}
        members = await self.array(array_id)
        require_owner(user, members[0])
        return await self._change_all(members, verbs[action](user, why))

    def _stop(self, user: User, why: str) -> Verb:
        why = why or f"stopped by {user.name}"
        return lambda task: transitions.stop(task, actor=user.name, why=why, now=self._clock.now())

    def _suspend(self, user: User, why: str, *, hold: bool = True) -> Verb:
        why = why or f"suspended by {user.name}"
        return lambda task: transitions.suspend(
            task, actor=user.name, why=why, hold=hold, now=self._clock.now()
        )

    def _resume(self, user: User, why: str) -> Verb:
        return lambda task: transitions.resume(
            task, actor=user.name, why=why, now=self._clock.now()
        )

    async def set_priority(self, user: User, ref: str, priority: Priority) -> Task:
        """What the task asks for from now on; OverQuota if it could never run there, Conflict if it
        has had its time there."""
        task = await self.find(user, ref)
        require_owner(user, task)
        require_time_left(task, priority, self._demote_after_seconds, self._clock.now())
        if task.spot:
            raise Conflict(f"task {task.id} is a spot container: it has no priority to change")
        shape = await self._cluster.shape()
        if task.asks is None:
            _check_limit(shape.quotas, task.user, task.group, priority, task.nodes)
        return await self._change(
            user,
            ref,
            lambda task: transitions.set_priority(
                task, priority, actor=user.name, now=self._clock.now()
            ),
        )

    async def set_rank(self, user: User, ref: str, rank: float) -> Task:
        """Its place among its user's own tasks in a line: the lowest first; 0 at first."""
        return await self._change(
            user,
            ref,
            lambda task: transitions.set_rank(task, rank, actor=user.name, now=self._clock.now()),
        )

    async def _change_all(self, tasks: Sequence[Task], verb: Verb) -> Sequence[Task]:
        """Those of the tasks that the verb changes; who has ended is left alone."""
        changed: dict[TaskId, Task] = {}
        for _ in range(TRIES):
            changes = [change for task in tasks if (change := _unless_over(verb, task))]
            if not changes:
                return list(changed.values())
            saved = await self._store.save(changes)
            changed.update({task.id: task for task in saved})
            await announce(self._bus, saved)
            stale = {change.task.id for change in changes} - changed.keys()
            tasks = await self._store.tasks(stale) if stale else []
        raise Conflict("the tasks change too fast", hint="some may be as they were; try again")

    async def _change(self, user: User, ref: str, verb: Verb) -> Task:
        wanted = ref  # then its id: a name may be given to another task meanwhile

        async def read() -> Task:
            nonlocal wanted
            task = await self.find(user, wanted)
            require_owner(user, task)
            wanted = str(task.id)
            return task

        return await change_task(self._store, self._bus, read, verb)


def _unless_over(verb: Verb, task: Task) -> TaskChange | None:
    if task.state.is_final:
        return None
    try:
        return verb(task)
    except Conflict:  # it is on its way out
        return None


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
            f"{phrases.nodes(nodes)} {phrases.are(nodes)} over the quota of {user}: "
            f"{limit} in {group} {where}",
            hint="hai-cli whoami shows your quotas",
            details={"limit": limit, "nodes": nodes},
        )
