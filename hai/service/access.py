"""Who may do what: owners act on their own tasks, admins on everything."""

import os

from hai.core.identity import Role, User
from hai.core.task import Task
from hai.core.types import UserName
from hai.errors import Denied

_ROOT = 0


def is_admin(user: User) -> bool:
    return user.role is Role.ADMIN


def require_admin(user: User, what: str) -> None:
    """Denied unless the user is an admin; `what` completes "... may only be done by an admin"."""
    if not is_admin(user):
        raise Denied(f"{what} may only be done by an admin", hint="ask an admin of this platform")


def owns(user: User, task: Task) -> bool:
    """Whether the task is the user's own or the user is an admin."""
    return task.user == user.name or is_admin(user)


def require_owner(user: User, task: Task, what: str = "change it") -> None:
    """Denied unless the user owns the task; `what` completes "only its owner may ..."."""
    if not owns(user, task):
        raise Denied(
            f"task {task.id} belongs to {task.user}",
            hint=f"only its owner or an admin may {what}",
        )


def require_self(user: User, name: UserName, what: str) -> None:
    """Denied unless `name` is the user or the user is an admin."""
    if user.name != name and not is_admin(user):
        raise Denied(f"{what} of {name} is not yours", hint="ask an admin of this platform")


def require_account(name: UserName, uid: int | None) -> None:
    """Denied where what the user starts would run as root: the server does, and knows no Unix user
    of that one. An admin who wants root says so, by uid 0 when the platform is made."""
    if uid is None and os.geteuid() == _ROOT:
        raise Denied(
            f"{name} has no Unix user here, and the server runs as root: it would start your "
            "programs and keep your files as root",
            hint=f"an admin says who you are: hai-cli users set {name} --uid UID",
        )
