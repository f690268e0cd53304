"""From a submission to the drafts of its tasks: the document read, dependencies looked up, an array
unfolded."""

import json
import uuid
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace

from hai.core.array_spec import ArrayRef, ArraySpec, member_name
from hai.core.identity import User
from hai.core.lifecycle.dependency import After, Dependency
from hai.core.task import Task, TaskDraft
from hai.core.types import GroupName, TaskId, TaskState
from hai.errors import InvalidInput
from hai.schema.submission import Submission

_MOST_WAITS = 20_000

Find = Callable[[str], Awaitable[Sequence[Task]]]  # the tasks that a reference names


@dataclass(frozen=True, slots=True)
class Waits:
    """Dependencies by id: all of them as they are kept in the document, and those not met yet."""

    after: tuple[str, ...] = ()
    ok: tuple[TaskId, ...] = ()
    any: tuple[TaskId, ...] = ()


async def look_up(wanted: Sequence[Dependency], find: Find) -> Waits:
    """The tasks that options.after names; NotFound, or InvalidInput for one that failed already."""
    after: dict[str, None] = {}
    waits: dict[After, dict[TaskId, None]] = {After.OK: {}, After.ANY: {}}
    for dependency in wanted:
        for other in await find(dependency.ref):
            after[f"{dependency.mode}:{other.id}"] = None
            if not _is_met(dependency, other):
                waits[dependency.mode][other.id] = None
    if len(after) > _MOST_WAITS:
        raise InvalidInput(f"a task cannot wait for more than {_MOST_WAITS:,} others")
    return Waits(tuple(after), tuple(waits[After.OK]), tuple(waits[After.ANY]))


def _is_met(dependency: Dependency, other: Task) -> bool:
    if not other.state.is_final:
        return False
    if dependency.mode is After.OK and other.state is not TaskState.SUCCEEDED:
        raise InvalidInput(
            f"task {other.id} has {other.state} already, so afterok:{other.id} can never be met",
            hint=f"wait only for its end with afterany:{other.id}, or submit it again first",
        )
    return True


def draft_of(user: User, submission: Submission, group: str, waits: Waits) -> TaskDraft:
    """The task of a submission; of an array, what its members have in common."""
    spec = submission.model_dump(mode="json", exclude={"request_id"})
    if waits.after:
        spec["options"] = {**spec["options"], "after": list(waits.after)}
    options = submission.parsed_options
    return TaskDraft(
        user=user.name,
        name=submission.name,
        group=GroupName(group),
        nodes=submission.resource.node_count,
        priority=submission.priority,
        spec=spec,
        chain_id=str(uuid.uuid4()),
        request_id=submission.request_id,
        whole_life_state=options.whole_life_state,
        time_limit_seconds=options.time_limit_seconds,
        waits_ok=waits.ok,
        waits_any=waits.any,
    )


def size_of(draft: TaskDraft) -> int:
    """Bytes of its document as it is stored; near enough for what JSON does not know."""
    return len(json.dumps(draft.spec, separators=(",", ":")))


def unfold(draft: TaskDraft, spec: ArraySpec) -> list[TaskDraft]:
    """The members of an array, in the order of its indices."""
    key = str(uuid.uuid4())
    request = draft.request_id
    return [
        replace(
            draft,
            name=member_name(draft.name, index),
            chain_id=str(uuid.uuid4()),
            request_id=None if request is None else f"{request}[{index}]",
            array=key,
            array_index=index,
            array_limit=spec.limit,
        )
        for index in spec.indices
    ]


@dataclass(frozen=True, slots=True)
class Members:
    """Members of an array; no indices mean all of them."""

    array_id: TaskId
    indices: frozenset[int] = frozenset()


def members_of(ref: str) -> Members | None:
    """The members that "12_[*]" or "12_[0-4]" names; None for a reference of another kind."""
    try:
        found = ArrayRef.parse(ref)
    except ValueError as error:
        raise InvalidInput(str(error), hint="for example 12_[*], 12_[7] or 12_[0-9]") from None
    if found is None:
        return None
    return Members(TaskId(found.array_id), frozenset(found.indices))
