"""/tasks: submit, list, look at, change."""

from functools import partial
from typing import Annotated, Literal, Self

from fastapi import APIRouter, Query
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from hai.core.types import Priority, TaskId, TaskState, UserName
from hai.errors import InvalidInput
from hai.ports import EventFilter, TaskQuery
from hai.schema.submission import MAX_NAME, Submission, priority_level
from hai.schema.views import EventView, IdleView, TaskDetail, TaskList, TaskView
from hai.schema.why import DryRunView
from hai.server.deps import Caller, Served
from hai.service.access import owns
from hai.service.submitting import Members
from hai.service.views import event_view

router = APIRouter(prefix="/tasks", tags=["tasks"])


class Why(BaseModel):
    """An optional reason, kept in the event log."""

    model_config = ConfigDict(extra="forbid")

    why: str = Field(default="", max_length=1000)


class Suspension(Why):
    """`hold`: it waits until somebody resumes it; otherwise it starts again when it has saved."""

    hold: bool = True


class MoreTime(BaseModel):
    """Seconds from now in which a dev container is not suspended for being idle; null: as many as
    it may be idle."""

    model_config = ConfigDict(extra="forbid")

    seconds: float | None = Field(default=None, gt=0, allow_inf_nan=False)


class NewPriority(BaseModel):
    """A level, a rank among its user's own tasks (the lowest first), or both."""

    model_config = ConfigDict(extra="forbid")

    priority: Priority | None = None
    custom_rank: float | None = Field(default=None, allow_inf_nan=False)

    @field_validator("priority", mode="before")
    @classmethod
    def _level(cls, value: object) -> Priority | None:
        return None if value is None else priority_level(value)

    @model_validator(mode="after")
    def _asks_for_something(self) -> Self:
        if self.priority is None and self.custom_rank is None:
            raise ValueError("give a priority or a custom_rank")
        return self


@router.post(
    "",
    status_code=201,
    response_model=TaskView,
    responses={200: {"model": DryRunView, "description": "Of a dry run: what would become of it"}},
)
async def submit(
    submission: Submission, user: Caller, served: Served, *, dry_run: bool = False
) -> JSONResponse:
    """Queue a task (run yaml, version 2, as JSON). Repeating a request_id returns the first.
    `dry_run=true` only checks it and tells what would become of it (of an array: of its first
    task)."""
    if dry_run:
        drafts = await served.tasks.pretend(user, submission)
        return JSONResponse(await served.explanations.dry_run(drafts))
    # a ready reply: the busiest route does not pay for a second validation of our own view
    return JSONResponse(served.views.task(await served.tasks.submit(user, submission)), 201)


class ListParams(BaseModel):
    """`user` is a name, "me" or "all"; `name` matches a part of the name; `array` names an array by
    any of its tasks (id, own name, @last), or members of it, as 12_[*] or 12_[0-9].

    `services`: also what is known of the services of one's own unfinished tasks, 32 of each at
    most; `nodes`: also the nodes, as /nodes tells them. A page that shows both asks once.

    To read all of them give `page_size` and, from the second page on, the `next` of the page
    before as `before`: tasks that are submitted meanwhile shift nothing."""

    user: str = "me"
    state: list[str] = Field(default_factory=list)
    group: str | None = None
    name: str = ""
    task_type: Literal["training", "jupyter"] | None = None
    array: str | None = Field(default=None, max_length=MAX_NAME)
    before: int | None = Field(default=None, ge=1, lt=2**63)
    page: int = Field(default=1, ge=1, le=1_000_000)
    page_size: int = Field(default=12, ge=1, le=500)
    services: bool = False
    nodes: bool = False

    def query(self, caller: UserName, members: Members | None) -> TaskQuery:
        if any("\0" in text for text in (self.name, self.user, self.group or "")):
            raise InvalidInput("a NUL byte cannot be part of a name")
        user = {"all": None, "me": caller}.get(self.user, UserName(self.user))
        return TaskQuery(
            user=user,
            states=frozenset(_state(text) for text in self.state),
            group=self.group,
            name_contains=self.name,
            task_type=self.task_type,
            array=members.array_id if members else None,
            indices=members.indices if members else frozenset(),
            before=None if self.before is None else TaskId(self.before),
            page=self.page,
            page_size=self.page_size,
        )


@router.get("")
async def list_tasks(
    caller: Caller, served: Served, params: Annotated[ListParams, Query()]
) -> TaskList:
    """Tasks, newest first. NotFound for a user or group that is in no task and not known here."""
    named = params.array
    members = None if named is None else await served.tasks.members(caller, named)
    query = params.query(caller.name, members)
    sees = partial(owns, caller) if params.services else None
    page = await served.views.page(query, sees)
    if page["total"] == 0:
        if query.user is not None:
            await served.users.require_known(query.user)
        if query.group is not None:
            await served.cluster.require_group(query.group)
    if params.nodes:
        page["nodes"] = (await served.views.nodes())["nodes"]
    return page


def _state(text: str) -> TaskState:
    try:
        return TaskState(text)
    except ValueError:
        known = ", ".join(TaskState)
        raise InvalidInput(f"{text!r} is no task state", hint=f"states: {known}") from None


@router.get("/{ref}")
async def show(ref: str, user: Caller, served: Served) -> TaskDetail:
    """One task with its attempts. `ref` is an id, an own task's name, or @last. The document is
    shown to its owner and to admins only: its environment may hold secrets."""
    task = await served.tasks.find(user, ref)
    detail = await served.views.detail(task, with_spec=owns(user, task))
    estimate = await served.explanations.estimate(task)
    if estimate is not None:
        detail["estimate"] = dict(estimate)
    return detail


@router.post("/{ref}/remove")
async def remove(ref: str, user: Caller, served: Served) -> TaskView:
    """Take an ended dev container out of the lists of dev containers; its task and logs stay."""
    return served.views.task(await served.tasks.remove(user, ref))


@router.post("/{ref}/stop")
async def stop(ref: str, user: Caller, served: Served, body: Why | None = None) -> TaskView:
    """End it for good."""
    return served.views.task(await served.tasks.stop(user, ref, body.why if body else ""))


@router.post("/{ref}/suspend")
async def suspend(
    ref: str, user: Caller, served: Served, body: Suspension | None = None
) -> TaskView:
    """Suspend it and keep it out of the line until it is resumed; without `hold` it goes back
    there at once."""
    wish = body or Suspension()
    task = await served.tasks.suspend(user, ref, wish.why, hold=wish.hold)
    return served.views.task(task)


@router.post("/{ref}/extend")
async def extend(ref: str, user: Caller, served: Served, body: MoreTime | None = None) -> IdleView:
    """Give a dev container more time before it is suspended for being idle."""
    task = await served.tasks.find(user, ref)
    return await served.idle.extend(user, task, body.seconds if body else None)


@router.post("/{ref}/resume")
async def resume(ref: str, user: Caller, served: Served, body: Why | None = None) -> TaskView:
    """Put a suspended task back in its line."""
    return served.views.task(await served.tasks.resume(user, ref, body.why if body else ""))


@router.post("/{ref}/priority")
async def set_priority(ref: str, body: NewPriority, user: Caller, served: Served) -> TaskView:
    """Change what it asks for; a running attempt keeps the level that it is charged at."""
    task = await served.tasks.find(user, ref)
    if body.priority is not None:
        task = await served.tasks.set_priority(user, str(task.id), body.priority)
    if body.custom_rank is not None:
        task = await served.tasks.set_rank(user, str(task.id), body.custom_rank)
    return served.views.task(task)


@router.get("/{ref}/events")
async def events(
    ref: str,
    user: Caller,
    served: Served,
    after: Annotated[int, Query(ge=0)] = 0,
    limit: Annotated[int, Query(ge=1, le=10_000)] = 1000,
) -> dict[str, list[EventView]]:
    """Its lines of the event log, oldest first."""
    task = await served.tasks.find(user, ref)
    lines = await served.events.page(after, limit, EventFilter(task_id=task.id))
    return {"events": [event_view(line) for line in lines]}
