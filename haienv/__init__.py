"""Runtime environments: named Python virtual environments on the shared file system.

    source haienv NAME                    in bash and zsh: this shell uses the environment
    haienv.set_env("NAME[user]")          in Python: this process does

Only the standard library is loaded, and the parts are imported when they are first called.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from haienv.model import Environment

__all__ = ["get_envs", "set_env"]


def set_env(name: str, user: str | None = None) -> Environment:
    """Makes this process use the environment `name` or `name[user]`, in place of any former one.

    Rewrites sys.path and os.environ. Raises NotFound; InvalidInput for an environment of another
    Python version than the running one; Denied if the owner's folder cannot be read.
    """
    from haienv.process import enter

    return enter(name, user)


def get_envs(user: str | None = None) -> list[Environment]:
    """The environments of `user` (default: one's own), by name."""
    from haienv.index import Index

    return Index.of_process().environments(user)
