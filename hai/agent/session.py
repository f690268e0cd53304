"""The life of one worker: ready, go, run, notice, stop, the report of its end."""

from __future__ import annotations

import json
import os
import signal
import socket
import time

from hai.agent import files, processes, program
from hai.agent.control import Control
from hai.agent.environment import Account, program_environment
from hai.agent.logs import LogWriter, wall_time
from hai.agent.segments import Segments
from hai.agent.sync import Link
from hai.agent.usage import UsageMeter
from hai.agent.watchdog import Watchdog

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from hai.agent.spec import WorkerSpec
    from hai.agent.wakeup import Wakeup

TICK_SECONDS = 0.1
NOTICE_TICK_SECONDS = 0.025  # while a suspended program is about to answer
WAIT_SECONDS = 0.5
LEFTOVER_SECONDS = 2.0  # from SIGTERM to SIGKILL for what the program left behind
KILL_SECONDS = 10.0  # the longest wait for killed processes to go
PIPE_SECONDS = 1.0  # of silence on a pipe that somebody else still holds open
LOG_SECONDS = 5.0  # for a disk that refuses, at the end
CHECKPOINT_SECONDS = 5.0  # checkpoints that follow each other sooner go out with the heartbeat
READ_BYTES = 256 * 1024
READS_PER_TURN = 8
_TERMINATED = 128 + signal.SIGTERM
_KILLED = 128 + signal.SIGKILL


class NotOurs(Exception):
    """Another agent has this worker, or nobody is to have it: leave without a word."""


class Ending:
    """How the worker ended; `exit_code` by the shell's convention."""

    def __init__(self, exit_code: int, detail: str = "") -> None:
        self.exit_code = exit_code
        self.detail = detail


def shell_code(status: int) -> int:
    """The shell's exit code of a wait status."""
    if os.WIFSIGNALED(status):
        return 128 + os.WTERMSIG(status)
    return os.WEXITSTATUS(status)


class Session:
    """Runs in the main thread. `folder` is a descriptor of the worker directory."""

    def __init__(self, spec: WorkerSpec, folder: int, wakeup: Wakeup) -> None:
        self._spec = spec
        self._folder = folder
        self._wakeup = wakeup
        self._account = Account(spec.uid, spec.workspace)
        control_uid = self._account.uid if self._account.drops else None
        self._control = Control(spec.control_dir, control_uid)
        self._control.put_whole_life_state(spec.whole_life_state)
        segments = Segments(spec.log_dir, spec.rank, spec.segment_bytes, spec.segments)
        self._log = LogWriter(segments)
        self._port_holder = _hold_port(spec)
        self._link = Link(spec.server_url, spec.token, self._first_report(), wakeup.wake)
        self._requests: dict[str, dict[str, Any]] = {}
        self._acked = self._saved = False
        self._checkpoint_at: float | None = None
        self._checkpoint_told = -CHECKPOINT_SECONDS  # monotonic
        self._program: program.Program | None = None
        self._ending: Ending | None = None  # decided before the program has left
        self._status: int | None = None  # wait status of the program
        self._noticed_at: float | None = None
        self._kill_at: float | None = None
        self._watchdog = Watchdog(spec.watchdog_seconds, time.monotonic())
        self._meter = UsageMeter(spec.gpu_indices, lambda figures: self._link.note(usage=figures))

    def run(self) -> None:
        """Until the end is reported (or nobody wants to know). NotOurs: nothing was done."""
        self._log.start()
        self._link.start()
        kernel = program.Kernel()  # while the server thinks
        ending = self._wait_for_go()
        if ending is None:
            ending = self._live(kernel)
        self._finish(ending)

    def _first_report(self) -> dict[str, Any]:
        return {
            "key": self._spec.key,
            "phase": "ready",
            "exit_code": None,
            "detail": "",
            "acked": False,
            "saved": False,
            "address": self._spec.address,
            "port": self._port_holder.getsockname()[1] if self._port_holder else 0,
            "usage": {},
            "checkpoint": None,
            "requests": [],
        }

    def _wait_for_go(self) -> Ending | None:
        while True:
            order = self._link.order()
            if order.get("stop") or order.get("over"):
                return Ending(_TERMINATED, "stopped before start")
            if self._link.is_orphaned():
                return Ending(_TERMINATED, "orphaned")
            if self._wakeup.is_terminated:
                return Ending(_TERMINATED, "the agent was told to stop before start")
            if order.get("go"):
                return None
            self._wakeup.wait(WAIT_SECONDS)

    def _live(self, kernel: program.Kernel) -> Ending:
        try:
            self._claim()
            self._program = self._start(kernel)
        except program.CannotStart as error:
            self._log.say(error.detail)
            return Ending(error.exit_code, error.detail)
        except OSError as error:  # no space, no more processes
            detail = f"cannot start: {error}"
            self._log.say(detail)
            return Ending(program.NOT_EXECUTABLE, detail)
        running = {"pid": self._program.pid, "pgid": self._program.pid, "at": wall_time()}
        self._record("started", running)
        self._wakeup.watch(self._program.output)
        self._link.tell(phase="running")
        self._meter.start()
        self._watchdog.reset(time.monotonic())
        self._attend()
        self._end_leftovers()
        self._drain()
        os.close(self._program.output)
        return self._ending_of(self._status)

    def _claim(self) -> None:
        """From here on no other agent will ever start this program."""
        if files.exists("cancelled", self._folder):
            raise NotOurs("cancelled")
        try:
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
            fd = os.open("started", flags, 0o600, dir_fd=self._folder)
        except FileExistsError:
            raise NotOurs("started before") from None
        os.write(fd, json.dumps({"pid": None, "pgid": None, "at": wall_time()}).encode())
        os.close(fd)

    def _start(self, kernel: program.Kernel) -> program.Program:
        spec = self._spec
        if self._port_holder is not None:
            self._port_holder.close()
        if spec.py_venv and not os.path.isabs(spec.py_venv):
            self._log.say(f"options.py_venv {spec.py_venv} is no absolute path: not used")
        sdk_path = _sdk_path()
        environment = program_environment(spec, self._link.order(), self._account, sdk_path)
        return program.start(spec, self._account, environment, kernel)

    def _attend(self) -> None:
        """Until the program's main process has ended."""
        next_tick = 0.0
        while self._status is None:
            now = time.monotonic()
            if now >= next_tick:
                self._tick(now)
                is_close = self._noticed_at is not None and not self._saved
                next_tick = now + (NOTICE_TICK_SECONDS if is_close else TICK_SECONDS)
            self._turn(max(0.0, next_tick - time.monotonic()))

    def _turn(self, timeout_seconds: float) -> bool:
        """Wait for output, an ended child or news; True if there was output."""
        has_output = self._wakeup.wait(timeout_seconds)
        if has_output:
            has_output = self._read()
        self._reap()
        return has_output

    def _read(self) -> bool:
        assert self._program is not None  # noqa: S101 - for the type checker
        for turn in range(READS_PER_TURN):
            try:
                chunk = os.read(self._program.output, READ_BYTES)
            except BlockingIOError:
                return turn > 0
            if not chunk:
                self._wakeup.unwatch()
                return turn > 0
            self._watchdog.reset(time.monotonic())
            self._log.feed(chunk)
        return True

    def _reap(self) -> None:
        """Collect every ended child; orphans of the program are the agent's children too."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if not pid:
                return
            if self._program is not None and pid == self._program.pid:
                self._status = status

    def _tick(self, now: float) -> None:
        self._read_control()
        self._obey(now)
        self._watchdog.limit_seconds = (
            self._control.watchdog_seconds() or self._spec.watchdog_seconds
        )
        if self._saved:
            self._watchdog.reset(now)
        if self._watchdog.is_expired(now) and self._ending is None:
            limit = f"{self._watchdog.limit_seconds:g}"
            self._kill(Ending(_KILLED, f"watchdog: no output for {limit} s"))
        elif self._kill_at is not None and now >= self._kill_at and self._ending is None:
            self._kill(Ending(_KILLED, "killed: still running after SIGTERM"))
        elif self._link.is_orphaned() and self._ending is None:
            self._kill(Ending(_KILLED, "orphaned"))

    def _obey(self, now: float) -> None:
        assert self._program is not None  # noqa: S101 - for the type checker
        order = self._link.order()
        if order.get("suspend") and self._noticed_at is None:
            self._noticed_at = now
            self._give_notice(float(order.get("grace_seconds") or 0.0))
        if (order.get("stop") or self._wakeup.is_terminated) and self._kill_at is None:
            term_seconds = float(order.get("term_seconds") or 5.0)
            self._kill_at = now + term_seconds
            self._log.say(f"stop: SIGTERM now, SIGKILL in {term_seconds:g} s")
            self._program.signal_group(signal.SIGTERM)
        if order.get("over") and self._ending is None:
            self._kill(Ending(_KILLED, "over"))

    def _give_notice(self, grace_seconds: float) -> None:
        assert self._program is not None  # noqa: S101 - for the type checker
        self._log.say("suspend notice")
        try:
            self._control.give_notice(grace_seconds)
        except OSError as error:
            self._log.say(f"the suspend notice could not be written: {error.strerror}")
        number = getattr(signal, self._spec.suspend_signal, None)
        if number in (signal.SIGUSR1, signal.SIGUSR2):
            self._program.signal_group(number)

    def _kill(self, ending: Ending) -> None:
        assert self._program is not None  # noqa: S101 - for the type checker
        self._ending = ending
        self._log.say(ending.detail + ": SIGKILL")
        self._program.signal_group(signal.SIGKILL)

    def _read_control(self) -> None:
        acked, saved = self._control.is_acked, self._control.is_saved
        acked = acked or saved
        if (acked, saved) != (self._acked, self._saved):
            self._acked, self._saved = acked, saved
            self._link.tell(acked=acked, saved=saved)
        self._read_checkpoint()
        for reply in self._link.take_replies():
            self._answer(reply)
        new = self._control.requests(self._requests)
        if new:
            self._requests.update((request["id"], request) for request in new)
            self._link.tell(requests=list(self._requests.values()))

    def _read_checkpoint(self) -> None:
        checkpoint = self._control.checkpoint(self._checkpoint_at)
        if checkpoint is None:
            return
        self._checkpoint_at = checkpoint["at"]
        now = time.monotonic()
        if now - self._checkpoint_told >= CHECKPOINT_SECONDS:
            self._checkpoint_told = now
            self._link.tell(checkpoint=checkpoint)
        else:
            self._link.note(checkpoint=checkpoint)

    def _answer(self, reply: dict[str, Any]) -> None:
        request = self._requests.pop(str(reply.get("id")), None)
        if request is None:
            return
        self._link.note(requests=list(self._requests.values()))
        ok = bool(reply.get("ok"))
        try:
            if ok and request["op"] == "set_whole_life_state":
                self._control.put_whole_life_state(int(request["value"]))
            self._control.reply(request["id"], ok, str(reply.get("error") or ""))
        except (OSError, TypeError, ValueError) as error:
            self._log.say(f"an answer to the program could not be written: {error}")

    def _end_leftovers(self) -> None:
        """SIGTERM, then SIGKILL, for everything that came of the program."""
        assert self._program is not None  # noqa: S101 - for the type checker
        term_until = time.monotonic() + LEFTOVER_SECONDS
        if self._ending is not None:
            term_until = 0.0
        give_up_at = time.monotonic() + LEFTOVER_SECONDS + KILL_SECONDS
        warned: set[int] = set()
        while True:
            kin = self._program.kin()
            now = time.monotonic()
            if not kin:
                return
            if now >= give_up_at:
                self._log.say(f"{len(kin)} processes could not be killed")
                return
            if now >= term_until:
                processes.signal_all(kin, signal.SIGKILL)
            else:
                processes.signal_all([pid for pid in kin if pid not in warned], signal.SIGTERM)
                warned.update(kin)
            self._turn(0.02)

    def _drain(self) -> None:
        """The rest of the output; a pipe that somebody else holds open is not waited for."""
        silent_since = time.monotonic()
        while self._wakeup.is_watching and time.monotonic() - silent_since < PIPE_SECONDS:
            if self._turn(0.05):
                silent_since = time.monotonic()
        self._wakeup.unwatch()

    def _ending_of(self, status: int | None) -> Ending:
        if self._ending is not None:
            return self._ending
        return Ending(_KILLED if status is None else shell_code(status))

    def _finish(self, ending: Ending) -> None:
        usage = self._meter.stop() if self._program is not None else {}
        acked, saved = self._control.is_acked, self._control.is_saved
        self._read_checkpoint()
        if not self._log.close(LOG_SECONDS):
            files.complain("the end of the log could not be written")
        end: dict[str, Any] = {
            "exit_code": ending.exit_code,
            "detail": ending.detail,
            "usage": usage,
            "acked": acked or saved,
            "saved": saved,
        }
        is_recorded = self._record("exit.json", dict(end, ended_at=wall_time()))
        self._link.tell(phase="exited", requests=[], **end)
        while not self._is_known():
            self._wakeup.wait(WAIT_SECONDS)
            is_recorded = is_recorded or self._record("exit.json", dict(end, ended_at=wall_time()))
        self._link.leave()

    def _is_known(self) -> bool:
        """The end has reached the server, or the platform does not know us any more."""
        over = self._link.order().get("over")
        return bool(over) or self._link.is_delivered or self._link.is_orphaned()

    def _record(self, name: str, value: dict[str, Any]) -> bool:
        try:
            files.write_json(name, value, self._folder)
        except OSError as error:
            files.complain(f"{name}: {error.strerror}")
            return False
        return True


def _sdk_path() -> str:
    """The folder inside agent.pyz that makes hai.client importable for the program."""
    archive = getattr(globals().get("__loader__"), "archive", "")
    return os.path.join(os.path.abspath(archive), "sdk") if archive else ""


def _hold_port(spec: WorkerSpec) -> socket.socket | None:
    """Rank 0 offers a free TCP port; bound until the program starts, so that few can take it."""
    if spec.rank:
        return None
    try:
        holder = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        holder.bind(("", 0))
    except OSError:
        return None
    return holder
