"""Services beside the program: programs of the user's that start with it and end with it.

Each is started once, as the program is: its account, its limits, its variables, its folder. What
ends is told and not started again by itself; who wants it again says so. Orders come as files from
the user's own channel (channel/services.py), and the state lies beside them.
"""

from __future__ import annotations

import json
import os
import signal
from itertools import islice

from hai.agent import files, jupyter, processes
from hai.agent.capabilities import HandOver, split
from hai.agent.ending import shell_code
from hai.agent.environment import venv_python
from hai.agent.logs import wall_time
from hai.agent.program import become, reported
from hai.agent.spec import JUPYTER

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from hai.agent.environment import ProgramAccount
    from hai.agent.logs import LogWriter
    from hai.agent.program import Kernel
    from hai.agent.spec import WorkerSpec

FOLDER, STATE = "services", "state.json"
STOP_SECONDS = 5.0  # from SIGTERM to SIGKILL
VERBS = ("start", "stop", "restart")
_MOST = 16
_MOST_ORDERS = 32  # answered ones that are remembered
_READ_BYTES = 16 * 1024  # per pass: who says more is slowed down, and nobody else
_LINE_BYTES = 4096


class ServiceProcess:
    """`state`: waiting, running, stopping, ended."""

    def __init__(self, data: dict[str, Any]) -> None:
        self.name = str(data.get("name") or "")
        self.port = data.get("port")
        self.script = str(data.get("startup_script") or "")
        ranks = data.get("rank")
        self.ranks = [int(rank) for rank in ranks] if isinstance(ranks, list) else [0]
        self.pid = 0
        self.output = -1
        self.text = b""
        self.state = "waiting"
        self.exit_code: int | None = None
        self.changed_at = 0.0
        self.starts = 0
        self.kill_at: float | None = None
        self.is_wanted_again = False

    @property
    def has_program(self) -> bool:
        return bool(self.script) or self.name == JUPYTER

    @property
    def told(self) -> dict[str, Any]:
        return {
            "state": self.state,
            "exit_code": self.exit_code,
            "at": self.changed_at,
            "starts": self.starts,
        }


def services_of(spec: WorkerSpec) -> list[ServiceProcess]:
    """Those of this rank that are programs of their own."""
    found = [ServiceProcess(one) for one in spec.services[:_MOST] if isinstance(one, dict)]
    if spec.task_type == JUPYTER:  # there JupyterLab is the program
        found = [one for one in found if one.name != JUPYTER]
    return [one for one in found if one.has_program and spec.rank in one.ranks]


class ServiceProcesses:
    """Main thread only. `on_change` hears every service's state by name."""

    def __init__(
        self,
        spec: WorkerSpec,
        account: ProgramAccount,
        environment: dict[str, str],
        log: LogWriter,
        on_change: Callable[[dict[str, Any]], None],
    ) -> None:
        self._spec = spec
        self._account = account
        self._environment = environment
        self._log = log
        self._on_change = on_change
        self._kernel: Kernel | None = None
        self._services = services_of(spec)
        self._done: list[str] = []
        self._folder = -1
        self._is_closing = False

    def start(self, kernel: Kernel) -> None:
        """With the program. OSError never: what cannot start is told."""
        self._kernel = kernel
        if not self._services:
            return
        try:
            self._make_folder()
        except OSError as error:
            self._log.say(f"services: {error.strerror}")
        for one in self._services:
            self._begin(one)
        self._tell()

    def run_once(self, now: float) -> None:
        """Orders, output, and time that is up."""
        for one in self._services:
            self._read(one)
            if one.kill_at is not None and now >= one.kill_at:
                one.kill_at = None
                processes.signal_all([*processes.descendants(one.pid), one.pid], signal.SIGKILL)
        if self._folder >= 0 and not self._is_closing:
            self._take_orders(now)

    def reaped(self, pid: int, status: int) -> None:
        for one in self._services:
            if one.pid == pid:
                self._ended(one, shell_code(status))
                self._tell()

    def close(self, now: float) -> bool:
        """End all; True once none runs."""
        if not self._is_closing:
            self._is_closing = True
            for one in self._services:
                self._stop(one, now)
        return not any(one.pid for one in self._services)

    def _make_folder(self) -> None:
        control = files.open_dir(self._spec.control_dir)
        try:
            os.mkdir(FOLDER, 0o700, dir_fd=control)
            if self._account.drops:
                os.chown(FOLDER, self._account.uid, -1, dir_fd=control, follow_symlinks=False)
            self._folder = files.open_dir(FOLDER, control)
        finally:
            os.close(control)

    def _begin(self, one: ServiceProcess) -> None:
        output, output_end = os.pipe()
        try:
            one.pid = self._fork(one, output_end)
        except OSError as error:
            os.close(output)
            self._log.say(f"service {one.name}: {error.strerror}")
            self._change(one, "ended", 126)
            return
        finally:
            os.close(output_end)
        os.set_blocking(output, False)
        one.output, one.text = output, b""
        one.starts += 1
        self._change(one, "running", None)

    def _fork(self, one: ServiceProcess, output_end: int) -> int:
        account = self._account
        handover = HandOver(split(self._spec.capabilities)[0] if account.drops else [])
        if account.drops:
            os.fchown(output_end, account.uid, account.gid)
        agent = os.getpid()
        pid = os.fork()
        if pid:
            return pid
        try:
            become(account, output_end, handover, self._spec.processes)
            assert self._kernel is not None  # noqa: S101 - for the type checker
            self._kernel.die_with_parent(agent)
            os.chdir(self._spec.workspace or self._environment["HOME"])
            argv = self._argv(one)
            os.execvpe(argv[0], argv, self._variables(one))  # noqa: S606 - the user's own program
        except Exception as error:  # noqa: BLE001 - the boundary: nobody else would hear of it
            os.write(2, f"{reported(error)}\n".encode("utf-8", "replace"))
        finally:
            os._exit(126)

    def _argv(self, one: ServiceProcess) -> list[str]:
        if one.script:
            return ["/bin/sh", "-c", one.script]
        spec = self._spec
        python = venv_python(spec.py_venv) if os.path.isabs(spec.py_venv) else spec.python
        return [python, "-u", jupyter.prepared(spec.control_dir, spec.workspace)]

    def _variables(self, one: ServiceProcess) -> dict[str, str]:
        port = "" if one.port is None else str(one.port)
        own = {"SERVICE_NAME": one.name, "SERVICE_PORT": port}
        named = {prefix + name: own[name] for prefix in ("HAI_", "MARSV2_") for name in own}
        return {**self._environment, **named}

    def _read(self, one: ServiceProcess) -> None:
        """What it says stands in the task's log, each line with its name."""
        if one.output < 0:
            return
        try:
            data = os.read(one.output, _READ_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        *lines, one.text = (one.text + data).split(b"\n")
        if not data or len(one.text) > _LINE_BYTES:
            lines, one.text = [*lines, one.text], b""
        for line in lines if not self._log.trouble else ():
            if line.strip():
                self._log.say(f"{one.name}: {line[:_LINE_BYTES].decode('utf-8', 'replace')}")
        if not data:
            os.close(one.output)
            one.output = -1

    def _take_orders(self, now: float) -> None:
        for name in _orders(self._folder):
            order = files.read_json(f"order-{name}", self._folder)
            files.remove(f"order-{name}", self._folder)
            self._done = [*self._done[-_MOST_ORDERS:], name]
            if isinstance(order, dict):
                self._obey(str(order.get("service")), order.get("verb"), now)
            self._tell()

    def _obey(self, name: str, verb: object, now: float) -> None:
        for one in self._services:
            if one.name != name or verb not in VERBS:
                continue
            if verb in ("stop", "restart"):
                one.is_wanted_again = verb == "restart"
                self._stop(one, now)
            else:
                one.is_wanted_again = one.state == "stopping"
            if verb != "stop" and not one.pid:
                one.is_wanted_again = False
                self._begin(one)

    def _stop(self, one: ServiceProcess, now: float) -> None:
        if one.pid and one.kill_at is None:
            self._change(one, "stopping", None)
            one.kill_at = now + STOP_SECONDS
            kin = [*processes.descendants(one.pid), one.pid]
            processes.signal_all(kin, signal.SIGTERM)

    def _ended(self, one: ServiceProcess, exit_code: int) -> None:
        for _ in range(8):
            self._read(one)
        left = [p for p in processes.descendants(os.getpid()) if processes.in_group(p, one.pid)]
        processes.signal_all(left, signal.SIGTERM)
        if one.output >= 0:
            os.close(one.output)
        one.pid, one.output, one.kill_at = 0, -1, None
        self._log.say(f"service {one.name} has ended: exit code {exit_code}")
        self._change(one, "ended", exit_code)
        if one.is_wanted_again and not self._is_closing:
            one.is_wanted_again = False
            self._begin(one)

    def _change(self, one: ServiceProcess, state: str, exit_code: int | None) -> None:
        one.state, one.exit_code, one.changed_at = state, exit_code, wall_time()

    def _tell(self) -> None:
        told = {one.name: one.told for one in self._services}
        self._on_change(told)
        if self._folder >= 0:
            uid = self._account.uid if self._account.drops else None
            try:
                files.write_json(STATE, {"services": told, "done": self._done}, self._folder, uid)
            except OSError as error:
                self._log.say(f"services: {error.strerror}")


def _orders(folder: int) -> list[str]:
    try:
        with os.scandir(folder) as entries:
            names = [one.name for one in islice(entries, 256)]
    except OSError:  # the disk; the next pass tries again
        return []
    return sorted(name[6:] for name in names if name.startswith("order-"))[:_MOST]


def order(folder: str, name: str, service: str, verb: str) -> None:
    """From the user's side: what the agent should do. OSError."""
    parent = files.open_dir(folder)
    try:
        data = json.dumps({"service": service, "verb": verb}).encode()
        files.write(f"order-{name}", data, parent)
    finally:
        os.close(parent)
