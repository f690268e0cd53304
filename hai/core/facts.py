"""The values that placeholders and conditions of rows stand for, for one worker."""

from collections.abc import Mapping

from hai.core.identity import EXTERNAL, INTERNAL, User
from hai.core.node import Node
from hai.core.placeholders import Facts
from hai.core.task import Task

_MOUNT_CODE = 2  # what the original gives a task that asks for none


def facts_of(user: User, task: Task, node: Node, rank: int) -> Facts:
    """By name, as in hai.core.placeholders.NAMES."""
    return {
        **facts_of_user(user),
        "task.id": str(task.id),
        "task.nb_name": task.name,
        "task.user_name": task.user,
        "task.chain_id": task.chain_id,
        "task.task_type": task.task_type,
        "task.group": task.group,
        "task.nodes": str(task.nodes),
        "task.mount_code": _mount_code(task.options),
        "task.priority": str(task.priority.value),
        "task.rank": str(rank),
        "node.name": node.name,
        "node.group": node.group,
    }


def facts_of_user(user: User) -> dict[str, str]:
    return {
        "user.user_name": user.name,
        "user.user_id": "" if user.uid is None else str(user.uid),
        "user.role": EXTERNAL if EXTERNAL in user.groups else INTERNAL,
        "user.shared_group": user.team,
        "user.nick_name": user.nick_name,
    }


def _mount_code(options: Mapping[str, object]) -> str:
    code = options.get("mount_code")
    return str(code if isinstance(code, int) and not isinstance(code, bool) else _MOUNT_CODE)
