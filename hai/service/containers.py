"""What a dev container asks of a shared node: from the submission, with the server's defaults."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from hai.core.container_quota import UNLIMITED, ContainerLimits
from hai.core.inventory.nodes import is_usable
from hai.core.inventory.shared_nodes import SharedNodes
from hai.core.node import Node
from hai.core.resources import GIB, MILLI, NOTHING, Resources, short_of, total
from hai.core.task import Task, TaskDraft
from hai.core.types import GroupName, UserName
from hai.errors import InvalidInput, OverQuota
from hai.schema.submission import Submission
from hai.service.shape import Shape
from hai.wording.amounts import amounts

JUPYTER = "jupyter"
_LEAST_BYTES = 64 * 2**20


def is_spot(submission: Submission) -> bool:
    """Whether it is a container on whole nodes that nobody else needs."""
    return submission.task_type == JUPYTER and submission.resource.is_spot


@dataclass(frozen=True, slots=True)
class Sharing:
    """Which groups share their nodes, and what a container gets that does not say."""

    shares_nodes: Callable[[GroupName], bool]
    defaults: Resources

    def default_group(self, submission: Submission, shape: Shape) -> str | None:
        """Of a dev container that names none: the first shared group that has nodes."""
        if submission.task_type != JUPYTER or is_spot(submission):
            return None
        return min((name for name in shape.nodes if self.shares_nodes(name)), default=None)

    def asked(
        self, user: UserName, submission: Submission, group: GroupName, shape: Shape
    ) -> Resources | None:
        """None where nodes are held whole. InvalidInput for what can never be had."""
        wanted = submission.resource
        is_shared = self.shares_nodes(group)
        if submission.task_type != JUPYTER:
            if is_shared:
                raise InvalidInput(
                    f"the nodes of {group} are shared by dev containers, and a task of type "
                    f"{submission.task_type} holds whole nodes",
                    hint="choose another group with -g; hai-cli nodes lists them",
                )
            return None
        if is_shared and wanted.is_spot:
            raise InvalidInput(
                f"the nodes of {group} are shared, and a spot container holds whole ones",
                hint="choose a group of training nodes with -g",
            )
        if not is_shared:
            if wanted.cpu or wanted.memory or wanted.gpu:
                raise InvalidInput(
                    f"{group} gives whole nodes: cpu, memory and gpus cannot be chosen there",
                    hint="leave them out, or choose a shared group with -g",
                )
            return None
        have = shape.nodes.get(group, ())
        asks = self._filled(submission, have, shape.containers.get((user, group), UNLIMITED))
        if have and not any(node.covers(asks) for node in have):
            raise _too_much(asks, group, have)
        return asks

    def free_of(self, node: Node, holders: Sequence[Task]) -> Resources | None:
        """What containers can still get of a node that they share: nothing of one that is not
        ready. None of a node that is held whole."""
        if not self.shares_nodes(node.group):
            return None
        if not is_usable(node):
            return NOTHING
        capacity = SharedNodes.of([node])
        for task in holders:
            capacity.hold(node.name, task.asks)
        return capacity.nodes[node.name].free

    def _filled(
        self, submission: Submission, have: Sequence[Resources], limits: ContainerLimits
    ) -> Resources:
        """With defaults, of which no more than the largest node has and the user may hold."""
        wanted, defaults = submission.resource, self.defaults
        most = _most(have or [defaults])
        cpus = defaults.millicores if limits.millicores is None else limits.millicores
        memory = defaults.memory_bytes if limits.memory_bytes is None else limits.memory_bytes
        millicores = math.ceil(wanted.cpu * MILLI - 1e-9)
        memory_bytes = math.ceil(wanted.memory * GIB)
        if wanted.memory and memory_bytes < _LEAST_BYTES:
            raise InvalidInput(
                f"{wanted.memory:g} GiB of memory are too little for a container",
                hint=f"ask for {_LEAST_BYTES / GIB:g} or more",
            )
        return Resources(
            millicores or min(defaults.millicores, most.millicores, cpus),
            memory_bytes or min(defaults.memory_bytes, most.memory_bytes, memory),
            wanted.gpu,
        )


def check_containers(draft: TaskDraft, asks: Resources, shape: Shape) -> None:
    """OverQuota for what could not be had if the user had nothing else."""
    limits = shape.containers.get((draft.user, draft.group), UNLIMITED)
    held = total([asks] * draft.nodes)
    over = limits.exceeded_by(held, draft.nodes)
    if over:
        wanted = {**held.as_data(), "containers": draft.nodes}
        raise OverQuota(
            f"{amounts(wanted, over)} in {draft.group} are over the quota of {draft.user}: "
            f"{amounts(limits.as_data(), over)}",
            hint="hai-cli quota allowances shows your quotas",
            details={"limits": limits.as_data(), "over": over},
        )


def _most(have: Sequence[Resources]) -> Resources:
    return Resources(*(max(values) for values in zip(*have, strict=True)))


def _too_much(asks: Resources, group: GroupName, have: Sequence[Resources]) -> InvalidInput:
    most = _most(have)
    short = short_of(most, asks)
    if not short:  # of one node this, of another one that
        told = f"no node of {group} has {amounts(asks.as_data())}"
    else:
        told = (
            f"{amounts(asks.as_data(), short)} were asked for, "
            f"and no node of {group} has more than {amounts(most.as_data(), short)}"
        )
    return InvalidInput(told, hint="ask for less; hai-cli nodes -o wide shows what nodes have")


NOT_SHARED = Sharing(lambda _group: False, Resources())
