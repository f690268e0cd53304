"""A control group for each worker: whatever came of it is found there, even when its agent is dead
and it has left its session, its parent and its environment behind.

Version 2 where it is mounted and may be written, else version 1 (freezer or pids, which change
nothing for who is in them). Where neither is, a worker has none, and its processes are found by
their parents and by their environment alone.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import signal

from hai.agent import processes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_CONTROLLERS = ("freezer", "pids")  # of version 1, the first that is there
_MOST_GROUPS = 10_000  # below one worker's, whatever a program makes there
_PREFIX = "hai-"


def homes(
    mountinfo: str, own: str, controllers: tuple[str, ...] = ("", *_CONTROLLERS)
) -> list[str]:
    """Folders of the control groups that this process is in, best first ("" is version 2); from the
    text of /proc/self/mountinfo and /proc/self/cgroup."""
    path_of = {}
    for line in own.splitlines():
        number, names, path = line.split(":", 2)
        for name in names.split(",") if number != "0" else [""]:
            path_of[name] = path
    found: list[tuple[int, str]] = []
    for line in mountinfo.splitlines():
        fields, _, rest = line.partition(" - ")
        kind, _, options = rest.partition(" ")
        root, mount = fields.split(" ")[3:5]
        for rank, name in enumerate(controllers):
            is_it = kind == "cgroup2" if not name else kind == "cgroup" and _has(options, name)
            if is_it and name in path_of:
                found.append((rank, _below(_plain(mount), _plain(root), path_of[name])))
    return [path for _, path in sorted(found)]


def _has(options: str, name: str) -> bool:
    return name in options.rsplit(" ", 1)[-1].split(",")


def _plain(path: str) -> str:
    """As mountinfo escapes it: space, tab, newline and backslash are octal."""
    for code, character in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        path = path.replace(code, character)
    return path


def _below(mount: str, root: str, path: str) -> str:
    """Where a group of the hierarchy lies; `root` is the group that is mounted."""
    inner = os.path.relpath(path, root) if root != "/" else path.lstrip("/")
    if inner in ("", ".") or inner.startswith(".."):
        return mount
    return os.path.join(mount, inner)


def own_homes(controllers: tuple[str, ...] = ("", *_CONTROLLERS)) -> list[str]:
    """The same of this very process; [] where that cannot be told."""
    try:
        with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as file:
            mountinfo = file.read()
        with open("/proc/self/cgroup", encoding="utf-8", errors="surrogateescape") as file:
            own = file.read()
        return homes(mountinfo, own, controllers)
    except (OSError, ValueError):
        return []


def group_in(home: str, worker_dir: str) -> str:
    """The folder of the worker's own group there."""
    return os.path.join(home, _name_of(worker_dir))


def enter(worker_dir: str) -> str:
    """Move this process into a group of the worker's own; its folder, "" if there is none."""
    for home in own_homes():
        path = group_in(home, worker_dir)
        if _join(path):
            return path
    return ""


def leave(path: str) -> None:
    """Go back to where this process came from, and take the group away if nobody else is in it."""
    if not path:
        return
    with contextlib.suppress(OSError):
        _move_to(os.path.dirname(path))
    remove(path)


def _move_to(path: str) -> None:
    with open(os.path.join(path, "cgroup.procs"), "wb", buffering=0) as file:
        file.write(b"%d" % os.getpid())


def _name_of(worker_dir: str) -> str:
    """No two workers of a machine share a directory."""
    mark = hashlib.sha256(os.fsencode(worker_dir)).hexdigest()[:12]
    return f"{_PREFIX}{os.path.basename(worker_dir)}-{mark}"


def _join(path: str) -> bool:
    try:
        with contextlib.suppress(FileExistsError):
            os.mkdir(path, 0o755)
        _move_to(path)
    except OSError:
        remove(path)
        return False
    return True


def _groups(path: str) -> Iterator[str]:
    """The group and all below it, innermost last."""
    todo, seen = [path], 0
    while todo and seen < _MOST_GROUPS:
        group = todo.pop()
        seen += 1
        yield group
        with contextlib.suppress(OSError), os.scandir(group) as entries:
            todo.extend(entry.path for entry in entries if entry.is_dir(follow_symlinks=False))


def members(path: str) -> list[int]:
    """Processes of the group and of those below it, zombies not; [] when there is no such group."""
    found: list[int] = []
    if not path:
        return found
    for group in _groups(path):
        try:
            with open(os.path.join(group, "cgroup.procs"), "rb") as file:
                found.extend(int(pid) for pid in file.read().split())
        except OSError:
            continue
    # 0: a process of a namespace that cannot be seen from here
    return [pid for pid in found if pid and processes.is_running(pid)]


def kill(path: str) -> None:
    """SIGKILL all members: in one step where the kernel can, else one by one."""
    if not path or os.path.basename(path)[: len(_PREFIX)] != _PREFIX:
        return
    try:
        with open(os.path.join(path, "cgroup.kill"), "wb", buffering=0) as file:
            file.write(b"1")
    except OSError:
        processes.signal_all(members(path), signal.SIGKILL)


def remove(path: str) -> bool:
    """Take the empty group away, and those that the program made below it; False: not empty yet."""
    if not path or os.path.basename(path)[: len(_PREFIX)] != _PREFIX:
        return True
    for group in reversed(list(_groups(path))):
        with contextlib.suppress(OSError):
            os.rmdir(group)
    return not os.path.exists(path)
