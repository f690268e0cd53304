"""Starts the user's program as the user, in a session of its own, and ends all that came of it.

Everything between fork and exec runs as the user, so that what is missing or forbidden is found
out with the user's eyes and reported in words.
"""

from __future__ import annotations

import errno
import os
import shlex
import signal

from hai.agent import cgroups, jupyter, processes
from hai.agent.capabilities import HandOver, split
from hai.agent.environment import ProgramAccount, venv_python
from hai.agent.limits import bound_processes
from hai.agent.processes import reset_signals
from hai.agent.spec import JUPYTER

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from hai.agent.spec import WorkerSpec

NOT_FOUND = 127
NOT_EXECUTABLE = 126
# the machine's trouble, not the program's
_MACHINE = (errno.EROFS, errno.ENOSPC, errno.ENOMEM, errno.EAGAIN, errno.ENFILE, errno.EIO)
_PIPE_BYTES = 2**20
_SET_PIPE_SIZE = 1031  # fcntl F_SETPIPE_SZ; the fcntl module names it from Python 3.10 on
_SET_DEATH_SIGNAL = 1  # prctl PR_SET_PDEATHSIG
_SET_SUBREAPER = 36  # prctl PR_SET_CHILD_SUBREAPER


class CannotStart(Exception):
    """The program did not start; `exit_code` as a shell would give it."""

    def __init__(self, detail: str, exit_code: int = NOT_EXECUTABLE) -> None:
        super().__init__(detail)
        self.detail = "cannot start: " + detail
        self.exit_code = exit_code


class Kernel:
    """The two prctl calls that Python has no name for; without ctypes they are left out."""

    def __init__(self) -> None:
        self._prctl: Any = None
        try:
            import ctypes

            self._prctl = ctypes.CDLL(None).prctl
        except (ImportError, OSError, AttributeError):
            return
        self._prctl(_SET_SUBREAPER, 1, 0, 0, 0)

    def die_with_parent(self, parent: int) -> None:
        """The kernel kills this process when the agent dies, however that happens."""
        if self._prctl is not None:
            self._prctl(_SET_DEATH_SIGNAL, int(signal.SIGKILL), 0, 0, 0)
            if os.getppid() != parent:
                os._exit(NOT_EXECUTABLE)


def command_of(spec: WorkerSpec) -> list[str]:
    """The program's argv. CannotStart when its parameters or its Python make no sense."""
    try:
        parameters = shlex.split(spec.parameters)
    except ValueError as error:
        raise CannotStart(f"parameters: {error}") from None
    if spec.task_type == JUPYTER:
        return [_python(spec), "-u", jupyter.prepared(spec.control_dir, spec.workspace)]
    if spec.entrypoint_executable:
        return [spec.entrypoint, *parameters]
    if spec.entrypoint.endswith(".py"):
        return [_python(spec), "-u", spec.entrypoint, *parameters]
    return ["bash", spec.entrypoint, *parameters]


def _python(spec: WorkerSpec) -> str:
    if not os.path.isabs(spec.py_venv):
        return spec.python
    if not os.path.isdir(spec.py_venv):
        raise CannotStart(f"no such folder: {spec.py_venv} (options.py_venv)", NOT_FOUND)
    python = venv_python(spec.py_venv)
    if not os.path.exists(python):
        raise CannotStart(f"no bin/python in {spec.py_venv} (options.py_venv)", NOT_FOUND)
    return python


class Program:
    """The user's process and its kin. `output` is the read end of its stdout and stderr."""

    def __init__(self, pid: int, output: int, spec: WorkerSpec) -> None:
        self.pid = pid
        self.output = output
        self._marker = processes.marker_of(spec.control_dir)
        self._cgroup = spec.cgroup

    def kill(self, kin: list[int]) -> None:
        """SIGKILL for its process group, all at once, and for each of `kin`."""
        if any(processes.in_group(pid, self.pid) for pid in kin):
            processes.signal_group(self.pid, signal.SIGKILL)
        processes.signal_all(kin, signal.SIGKILL)

    def kin(self) -> list[int]:
        """All that came of the program and still runs, whatever group or session it moved to."""
        own = os.getpid()
        if own == 1:  # a container is ours alone
            return sorted(p for p in processes.all_pids() if p != own and processes.is_running(p))
        found = {p for p in processes.descendants(own) if processes.is_running(p)}
        found.update(processes.marked(self._marker))
        found.update(cgroups.members(self._cgroup))
        found.discard(own)
        return sorted(found)


def start(
    spec: WorkerSpec, account: ProgramAccount, environment: dict[str, str], kernel: Kernel
) -> Program:
    """Fork and exec. CannotStart if the program could not be brought to run, OSError if the machine
    is what kept it: its disk, its memory."""
    handover = HandOver(split(spec.capabilities)[0] if account.drops else [])
    output, output_end = os.pipe()
    if account.drops:  # so that it may open its own /dev/stdout and /dev/stderr
        os.fchown(output_end, account.uid, account.gid)
    trouble, trouble_end = os.pipe()
    os.set_blocking(output, False)
    _widen(output)
    agent = os.getpid()
    pid = os.fork()
    if pid == 0:
        try:
            become(account, output_end, handover, spec.processes)
            kernel.die_with_parent(agent)
            _exec(spec, command_of(spec), environment)
        except Exception as error:  # noqa: BLE001 - the boundary: nobody else would hear of it
            _report(trouble_end, *_told(error))
        finally:
            os._exit(NOT_EXECUTABLE)
    os.close(output_end)
    os.close(trouble_end)
    told = _read_all(trouble)
    if told:
        os.close(output)
        os.waitpid(pid, 0)
        code, _, detail = told.decode("utf-8", "replace").partition(" ")
        if not int(code):
            raise OSError(detail)
        failure = CannotStart("", int(code))
        failure.detail = detail
        raise failure
    return Program(pid, output, spec)


def _widen(output: int) -> None:
    """A wide pipe takes bursts; a system that does not allow it still works."""
    import fcntl

    try:
        fcntl.fcntl(output, _SET_PIPE_SIZE, _PIPE_BYTES)
    except OSError:
        return


def _read_all(fd: int) -> bytes:
    parts: list[bytes] = []
    while True:
        part = os.read(fd, 4096)
        if not part:
            os.close(fd)
            return b"".join(parts)
        parts.append(part)


def _told(error: Exception) -> tuple[int, str]:
    """Exit code and words of what kept a program from being started; code 0: the machine did."""
    if isinstance(error, CannotStart):
        return error.exit_code, error.detail
    if not isinstance(error, (OSError, ValueError)):  # ValueError: no name of a variable, a NUL
        return NOT_EXECUTABLE, f"cannot start: {type(error).__name__}: {error}"
    why = getattr(error, "strerror", None) or str(error)
    if getattr(error, "errno", None) in _MACHINE:
        return 0, why
    return NOT_EXECUTABLE, f"cannot start: {why}"


def reported(error: Exception) -> str:
    """Why something could not be started, in words."""
    return _told(error)[1]


def _report(fd: int, exit_code: int, detail: str) -> None:
    os.write(fd, (f"{exit_code} {detail}").encode("utf-8", "replace")[:4000])


def become(account: ProgramAccount, output_end: int, handover: HandOver, processes: int) -> None:
    """In a child: its account, its limits, and its output. OSError."""
    os.setsid()
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(output_end, 1)
    os.dup2(output_end, 2)
    signal.set_wakeup_fd(-1)
    reset_signals()
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    bound_processes(processes)
    handover.keep()
    account.become()
    handover.give()


def _exec(spec: WorkerSpec, argv: list[str], environment: dict[str, str]) -> None:
    _check_reach(spec)
    folder = spec.workspace or environment["HOME"]
    try:
        os.chdir(folder)
    except OSError as error:
        detail = f"workspace {folder}: {error.strerror}"
        raise CannotStart(detail, _code_of(error)) from None
    if not spec.entrypoint_executable and spec.task_type != JUPYTER:
        _check_file(spec.entrypoint, folder)
    elif (
        spec.entrypoint_executable
        and "/" not in spec.entrypoint
        and os.path.isfile(spec.entrypoint)
    ):
        argv = ["./" + spec.entrypoint, *argv[1:]]
    try:
        os.execvpe(argv[0], argv, environment)  # noqa: S606 - the user's own program
    except OSError as error:
        detail = f"{argv[0]}: {error.strerror}"
        if error.errno == errno.ENOENT and os.path.exists(argv[0]):
            detail = f"{argv[0]}: its interpreter (first line) does not exist"
        elif error.errno == errno.EACCES and argv[0] == spec.python:
            detail = (
                f"uid {os.getuid()} may not run the platform's Python, {argv[0]}: submit from an "
                "environment of your own, or an admin sets [agent] python"
            )
        raise CannotStart(detail, _code_of(error)) from None


def _check_file(entrypoint: str, folder: str) -> None:
    if os.path.isdir(entrypoint):
        raise CannotStart(f"{entrypoint} in {folder} is a folder, not a file")
    if not os.path.exists(entrypoint):
        raise CannotStart(f"no such file: {entrypoint} in {folder}", NOT_FOUND)
    if not os.access(entrypoint, os.R_OK):
        raise CannotStart(f"uid {os.getuid()} may not read {entrypoint} in {folder}")


def _check_reach(spec: WorkerSpec) -> None:
    """Without its control directory a program could neither be suspended nor ask for anything."""
    if not os.access(spec.control_dir, os.W_OK | os.X_OK):
        if _is_read_only(spec.control_dir):
            raise OSError(errno.EROFS, f"{spec.control_dir}: {os.strerror(errno.EROFS)}")
        raise CannotStart(
            f"uid {os.getuid()} cannot reach {spec.control_dir}: every folder above it must be "
            "searchable (chmod o+x), or server.data_dir must lie elsewhere"
        )


def _is_read_only(folder: str) -> bool:
    try:
        return bool(os.statvfs(folder).f_flag & os.ST_RDONLY)
    except OSError:
        return False


def _code_of(error: OSError) -> int:
    return NOT_FOUND if error.errno in (errno.ENOENT, errno.ENOTDIR) else NOT_EXECUTABLE
