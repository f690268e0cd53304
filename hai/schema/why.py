"""What the API answers about reasons, changes and estimates; see hai.schema.views."""

import sys

from hai.schema.views import ReasonView

if sys.version_info >= (3, 12):
    from typing import TypedDict
else:  # what pydantic asks for before 3.12
    from typing_extensions import TypedDict


class VictimView(TypedDict):
    """A task that would be suspended; `lost_seconds`: work since its last checkpoint."""

    task_id: int
    name: str
    user: str
    lost_seconds: float


class WhatIfView(TypedDict):
    """What a plan made of a change. `starts_now`: the nodes are free; otherwise the task starts
    once `suspends` have left, or waits on: `text` says which."""

    starts_now: bool
    text: str
    suspends: list[VictimView]


class CounterfactualView(WhatIfView):
    """A change with which a waiting task would get nodes."""

    change: str


class EstimateView(TypedDict):
    """When a task may start. `latest` None: nobody can say, and `earliest` is a lower bound."""

    earliest: str
    latest: str | None
    basis: str


class WhyView(TypedDict):
    """Why a task is where it is: one sentence, and lines that add to it."""

    task_id: int | None  # None: it is not submitted
    state: str
    text: str
    lines: list[str]
    reason: ReasonView | None  # set while the task waits
    counterfactuals: list[CounterfactualView]
    estimate: EstimateView | None


class DryRunView(WhyView):
    """What would become of a submission; nothing was changed."""

    starts_now: bool
    suspends: list[VictimView]


class EstimatesView(TypedDict):
    """How honest estimates of starts were, since the server began."""

    given: int  # tasks that were told one
    started: int  # and have started since
    inside_range: int
    earlier: int
    later: int
    median_error_seconds: float | None  # of those outside their range
