"""Code goes to the shared file system with push, results come back with pull, diff shows both.

    haiworkspace init digits && haiworkspace push

The same from Python: haiworkspace.push(), pull() and diff() work on the workspace that holds the
given directory (default: the current one) and return the haiworkspace.plan.SyncPlan they followed.
"""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from haiworkspace.plan import SyncPlan

__all__ = ["diff", "pull", "push"]


def push(directory: str | Path = ".", *, force: bool = False, delete: bool = False) -> "SyncPlan":
    """Sends what is new or changed here. Raises Conflict if the remote changed since the last
    time and not `force`; NotFound outside of a workspace."""
    from haiworkspace.workspace import TransferOptions, push, workspace_of

    return push(workspace_of(Path(directory)), TransferOptions(force=force, delete=delete))


def pull(directory: str | Path = ".", *, force: bool = False, delete: bool = False) -> "SyncPlan":
    """Fetches what is new or changed there. Raises Conflict if a file changed on both sides and
    not `force`; NotFound outside of a workspace."""
    from haiworkspace.workspace import TransferOptions, pull, workspace_of

    return pull(workspace_of(Path(directory)), TransferOptions(force=force, delete=delete))


def diff(directory: str | Path = ".") -> "SyncPlan":
    """What push would do. `SyncPlan.is_same` if nothing differs."""
    from haiworkspace.workspace import TransferOptions, diff, workspace_of

    return diff(workspace_of(Path(directory)), TransferOptions())
