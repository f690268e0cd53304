"""The root step before the worker of a pod: folders with the right owner, and the agent itself.

It runs in a container of its own that sees the whole log folder, which the program's does not.
"""

from __future__ import annotations

import contextlib
import os
import shutil

from hai.agent import files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

FOLDER_MODE = 0o2750  # files in it get its group, which is the platform's


def prepare(spec_file: str) -> int:
    """Exit status: 0 when all is ready."""
    data = files.read_spec(spec_file)
    if not isinstance(data, dict) or not isinstance(data.get("prepare"), dict):
        files.complain(f"{spec_file}: nothing is to be prepared: this worker was cancelled")
        return 1
    todo = data["prepare"]
    try:
        if todo.get("agent_dir"):
            _copy_agent(str(todo["agent_dir"]))
        if todo.get("worker_dir"):
            os.chmod(str(todo["worker_dir"]), int(todo["worker_dir_mode"]))
        if todo.get("log_root"):
            make_folders(str(todo["log_root"]), todo["log_folders"], todo["uid"], todo["log_gid"])
    except (OSError, KeyError, TypeError, ValueError) as error:
        files.complain(f"cannot prepare: {type(error).__name__}: {error}")
        return 1
    return 0


def make_folders(root: str, folders: list[str], uid: int, gid: int) -> None:
    """`root`/folders[0]/folders[1]/..., each of the user and the platform's group.

    The user owns the upper ones already, so nothing there is trusted: no link is followed. OSError
    when one of them is something else than a folder.
    """
    folder = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
    for name in folders:
        if "/" in name or name in ("", ".", ".."):
            raise ValueError(f"{name!r} is no name of a folder")
        with contextlib.suppress(FileExistsError):
            os.mkdir(name, 0o700, dir_fd=folder)
        child = files.open_dir(name, folder)
        os.close(folder)
        folder = child
        if os.geteuid() == 0:
            os.fchown(folder, uid, gid)
        os.fchmod(folder, FOLDER_MODE)
    os.close(folder)


def _copy_agent(folder: str) -> None:
    loader: Any = globals().get("__loader__")
    target = os.path.join(folder, "agent.pyz")
    shutil.copyfile(loader.archive, target + ".part")
    os.chmod(target + ".part", 0o644)
    os.replace(target + ".part", target)
