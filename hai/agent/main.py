"""The agent's start: one agent per worker, proven by a lock that dies with it."""

from __future__ import annotations

import contextlib
import fcntl
import os
import sys
import time
import traceback

from hai.agent import bounds, cgroups, files, processes
from hai.agent.logs import wall_time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from hai.agent.spec import WorkerSpec

LOCK_SECONDS = 0.5  # before the lock counts as another agent's
_BROKEN = 126


def main(arguments: list[str]) -> int:
    """Exit status: 0 when there is nothing (more) to do, 2 for wrong usage, 1 for own failure."""
    if len(arguments) == 2 and arguments[0] == "prepare":
        from hai.agent.prepare import prepare

        return prepare(arguments[1])
    if arguments == ["channel", "-"]:
        from hai.agent.channel.serve import main as serve

        return serve()
    if len(arguments) not in (1, 2):
        files.complain("usage: python -I -S agent.pyz <worker_dir> [<spec file>]")
        return 2
    _detach()
    try:
        folder = files.open_dir(arguments[0])
        lock = os.open("agent.lock", os.O_RDWR | os.O_CREAT, 0o600, dir_fd=folder)
    except OSError as error:
        files.complain(f"{arguments[0]}: {error.strerror}")
        return 1
    if not _lock(lock):
        return 0
    cgroup = cgroups.enter(os.path.abspath(arguments[0]))
    own = {
        "pid": os.getpid(),
        "pid_start": processes.start_time(os.getpid()),
        "boot_id": processes.boot_id(),
        "cgroup": cgroup,
    }
    try:
        files.write_json("agent.pid", own, folder)
    except OSError as error:
        files.complain(f"agent.pid: {error.strerror}")
        cgroups.leave(cgroup)
        return 1
    # The order matters: a killer writes `cancelled` first and reads agent.pid then.
    if any(files.exists(name, folder) for name in ("cancelled", "started", "exit.json")):
        cgroups.leave(cgroup)
        return 0
    spec_file = arguments[1] if len(arguments) == 2 else ""
    try:
        return _serve(arguments[0], folder, cgroup, spec_file)
    finally:
        cgroups.leave(cgroup)


def _serve(worker_dir: str, folder: int, cgroup: str, spec_file: str) -> int:
    from hai.agent.session import AttemptSession, NotOurs
    from hai.agent.wakeup import Wakeup

    spec = _spec(worker_dir, folder, cgroup, spec_file)
    if spec is None:
        return 1
    files.guard(spec.end_file)
    groups = _bound(worker_dir, folder, spec)
    try:
        AttemptSession(spec, folder, Wakeup()).run()
    except NotOurs:
        return 0
    except Exception:  # noqa: BLE001 - the boundary: a broken agent still leaves a report
        files.complain(traceback.format_exc())
        _give_up(spec, folder)
        return 1
    finally:
        for group in groups:
            cgroups.leave(group)
    return 0


def _bound(worker_dir: str, folder: int, spec: WorkerSpec) -> list[str]:
    """Its part of a machine that others share; what there is to be taken away at the end, which is
    written down before."""
    if not spec.limits:
        return []
    own = os.path.abspath(worker_dir)
    groups = bounds.folders(own, spec.limits)
    files.write_json("bounds.json", {"groups": groups}, folder)
    bounds.bind(own, spec.cgroup, spec.limits)
    return groups


def _spec(worker_dir: str, folder: int, cgroup: str, spec_file: str) -> WorkerSpec | None:
    from hai.agent.spec import WorkerSpec

    try:
        data = files.read_spec(spec_file) if spec_file else files.read_json("spec.json", folder)
        # as the launcher spells it, even with "..": both mark the program's processes with it
        return WorkerSpec(data, os.path.join(os.getcwd(), worker_dir), cgroup)
    except (KeyError, TypeError, ValueError) as error:
        detail = f"cannot start: spec.json: {type(error).__name__} {error}"
        files.complain(detail)
        _leave_report(detail, folder)
        return None


def _give_up(spec: WorkerSpec, folder: int) -> None:
    """Nothing of the program may outlive its agent, whose failure is not the program's."""
    own = os.getpid()
    kin = [*processes.descendants(own), *processes.marked(processes.marker_of(spec.control_dir))]
    kin += cgroups.members(spec.cgroup)
    processes.signal_all([pid for pid in kin if pid != own], 9)
    error = sys.exc_info()[1]
    detail = f"the agent failed: {type(error).__name__}: {error}"
    if not files.exists("started", folder):
        detail = f"not started: {detail}"
    _leave_report(detail, folder, spec.end_file, is_lost=True)


def _leave_report(detail: str, folder: int, end_file: str = "", *, is_lost: bool = False) -> None:
    end = {"exit_code": _BROKEN, "detail": detail, "ended_at": wall_time(), "usage": {}}
    end.update(acked=False, saved=False, lost=is_lost)
    try:
        files.write_json("exit.json", end, folder)
        files.tell_end(end_file, end)
    except OSError as error:
        files.complain(f"exit.json: {error.strerror}")


def _lock(fd: int) -> bool:
    """False: another agent has it. Who looks whether there is one shares it for a moment, which is
    long on a busy machine and no reason to leave."""
    since = time.monotonic()
    while not _flock(fd, fcntl.LOCK_EX):
        if _flock(fd, fcntl.LOCK_SH):
            fcntl.flock(fd, fcntl.LOCK_UN)
            since = time.monotonic()
        elif time.monotonic() - since >= LOCK_SECONDS:
            return False
        time.sleep(0.01)
    return True


def _flock(fd: int, kind: int) -> bool:
    try:
        fcntl.flock(fd, kind | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _detach() -> None:
    """Own session, no foreign descriptors, nothing that others may write to."""
    os.umask(0o022)
    with contextlib.suppress(PermissionError):  # the launcher did that already
        os.setsid()
    os.closerange(3, max(int(name) for name in os.listdir("/proc/self/fd")) + 1)
