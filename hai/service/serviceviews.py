"""What is shown of a task's services: those that it names, with what their agents say of them."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice

from hai.core.services import JUPYTER, SSH, Service, services_of
from hai.core.task import Task, WorkerKey
from hai.core.types import TaskId, TaskState, WorkerState
from hai.ports import Bus
from hai.schema.views import ServiceView
from hai.service.signals import services_key


async def service_views(bus: Bus, task: Task) -> list[ServiceView]:
    """By service and rank, in the order of the run document."""
    return (await service_views_of(bus, [task])).get(task.id, [])


async def service_views_of(
    bus: Bus, tasks: Sequence[Task], most: int | None = None
) -> dict[TaskId, list[ServiceView]]:
    """Of those that name any, with one question to the bus; the first `most` of each task."""
    shown = {task.id: list(islice(_places(task), most)) for task in tasks}
    keys = {
        (task.id, rank): services_key(WorkerKey(task.id, task.attempts, rank))
        for task in tasks
        for rank in sorted(_running_ranks(task) & {rank for _, rank in shown[task.id]})
    }
    live = await bus.get_live(list(keys.values())) if keys else {}
    told = {place: live.get(key, {}).get("by_name") for place, key in keys.items()}
    return {
        task.id: [_view(task, one, rank, told) for one, rank in shown[task.id]]
        for task in tasks
        if shown[task.id]
    }


def _places(task: Task) -> Iterator[tuple[Service, int]]:
    return ((one, rank) for one in services_of(task.spec) for rank in one.ranks)


def _running_ranks(task: Task) -> set[int]:
    if task.attempt is None or task.state is not TaskState.RUNNING:
        return set()
    workers = task.attempt.workers
    return {worker.rank for worker in workers if worker.state is WorkerState.RUNNING}


def _view(
    task: Task, one: Service, rank: int, told: Mapping[tuple[TaskId, int], object]
) -> ServiceView:
    by_name = told.get((task.id, rank))
    found = by_name.get(one.name) if isinstance(by_name, Mapping) else None
    said: Mapping[str, object] = found if isinstance(found, Mapping) else {}
    exit_code, starts = said.get("exit_code"), said.get("starts")
    return {
        "name": one.name,
        "type": one.type.value,
        "port": one.port,
        "rank": rank,
        "state": str(said.get("state") or _state(task, one, is_running=(task.id, rank) in told)),
        "exit_code": exit_code if isinstance(exit_code, int) else None,
        "starts": starts if isinstance(starts, int) else 0,
    }


def _state(task: Task, one: Service, *, is_running: bool) -> str:
    """Of one whose agent says nothing about it."""
    if not is_running:
        return "waiting" if not task.state.is_final else "ended"
    is_program = one.name == JUPYTER or not one.startup_script
    return "on call" if one.name == SSH else "program" if is_program else "waiting"
