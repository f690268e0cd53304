"""/tasks/{ref}/why and what-if: reasons, and what changes would do; /scheduler/estimates."""

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field, field_validator

from hai.core.types import GroupName, Priority
from hai.core.whatif import Variant
from hai.schema.submission import MAX_NODES, priority_level
from hai.schema.why import EstimatesView, WhatIfView, WhyView
from hai.server.deps import Caller, Served

router = APIRouter(tags=["why"])


class Change(BaseModel):
    """What should be other than it is."""

    model_config = ConfigDict(extra="forbid")

    priority: Priority | None = None
    nodes: int | None = Field(default=None, ge=1, le=MAX_NODES)
    group: str | None = None

    @field_validator("priority", mode="before")
    @classmethod
    def _level(cls, value: object) -> Priority | None:
        return None if value is None else priority_level(value)

    def variant(self) -> Variant:
        group = None if self.group is None else GroupName(self.group)
        return Variant(priority=self.priority, nodes=self.nodes, group=group)


@router.get("/tasks/{ref}/why")
async def why(ref: str, user: Caller, served: Served) -> WhyView:
    """Why the task is where it is, in plain words, with changes that were tried on the plan and
    would help, and an estimated start."""
    return await served.explanations.why(await served.tasks.find(user, ref))


@router.post("/tasks/{ref}/what-if")
async def what_if(ref: str, body: Change, user: Caller, served: Served) -> WhatIfView:
    """What the plan makes of the task with another priority, width or group. Changes nothing."""
    return await served.explanations.what_if(
        user, await served.tasks.find(user, ref), body.variant()
    )


@router.get("/scheduler/estimates")
async def estimates(_: Caller, served: Served) -> EstimatesView:
    """How honest the estimated starts were that this server has given."""
    return await served.estimates.record.view()
