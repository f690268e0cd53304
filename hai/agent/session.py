"""The life of one worker: ready, go, run, notice, stop, the report of its end."""

from __future__ import annotations

import json
import os
import time

from hai.agent import files, program
from hai.agent.beside import Beside
from hai.agent.capabilities import refusal, split
from hai.agent.control import Control
from hai.agent.dialogue import Dialogue
from hai.agent.ending import CUT_OFF, KILLED, NOT_STARTED, TERMINATED, WorkerEnding, ending_of
from hai.agent.environment import ProgramAccount, program_environment
from hai.agent.envplace import EnvironmentPlace
from hai.agent.eviction import Eviction
from hai.agent.fence import Fence
from hai.agent.jupyter import missing_text
from hai.agent.lease import Lease, clock
from hai.agent.leaving import Leaving
from hai.agent.logs import wall_time
from hai.agent.memory import shortage
from hai.agent.notice import Notice
from hai.agent.processes import ended_children
from hai.agent.scripts import Scripts
from hai.agent.setup import hold_port, log_of, sdk_path
from hai.agent.spec import JUPYTER
from hai.agent.sync import ServerSync, SyncConnection, first_report
from hai.agent.usage import UsageMeter
from hai.agent.watchdog import Watchdog

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from hai.agent.idle import IdleWatch
    from hai.agent.spec import WorkerSpec
    from hai.agent.wakeup import Wakeup

TICK_SECONDS = 0.1
NOTICE_TICK_SECONDS = 0.025  # while a suspended program is about to answer
WAIT_SECONDS = 0.5
TERM_SECONDS = 5.0  # from SIGTERM to SIGKILL, before the server's first word
QUICK_LOOKS = 10  # for what outlives the program, before they come with every tick
PIPE_SECONDS = 1.0  # of silence on a pipe that somebody else still holds open
LOG_SECONDS = 5.0  # for a disk that refuses, at the end
READ_BYTES = 256 * 1024
READS_PER_PASS = 8
_TAKEN_AWAY = "the agent was told to stop, and not by the server"


class NotOurs(Exception):
    """Another agent has this worker, or nobody is to have it: leave without a word."""


class AttemptSession:
    """Runs in the main thread. `folder` is a descriptor of the worker directory."""

    def __init__(self, spec: WorkerSpec, folder: int, wakeup: Wakeup) -> None:
        self._spec = spec
        self._folder = folder
        self._wakeup = wakeup
        self._account = ProgramAccount(spec.uid, spec.workspace, spec.gid, spec.groups)
        control_uid = self._account.uid if self._account.drops else None
        self._control = Control(spec.control_dir, control_uid)
        self._control.put_whole_life_state(spec.whole_life_state)
        self._log = log_of(spec)
        self._log_keep_bytes, self._log_trouble = spec.log_keep_bytes, ""
        self._port_holder = hold_port(spec)
        lease = Lease(spec.fence_seconds, clock())
        port = self._port_holder.getsockname()[1] if self._port_holder else 0
        self._link = ServerSync(self._channel, first_report(spec, port), wakeup.wake, lease)
        self._dialogue = Dialogue(self._control, self._link, self._log.say)
        self._notice = Notice(spec, self._control, self._log.say)
        self._place = EnvironmentPlace(self._account, self._log.say, self._is_unwanted)
        self._eviction = Eviction(spec.leave_seconds, self._log.say)
        self._beside: Beside | None = None  # while the program runs
        self._program: program.Program | None = None
        self._leaving: Leaving | None = None
        self._fence: Fence | None = None
        self._ending: WorkerEnding | None = None  # decided before the program has left
        self._status: int | None = None  # wait status of the program
        self._is_taken_away = False  # told to stop, and not by the server
        self._looks = 0  # for what outlives the program
        self._watchdog = Watchdog(spec.watchdog_seconds, time.monotonic())
        self._said = ""  # the server's last word for the log
        self._idle: IdleWatch | None = None
        if spec.task_type == JUPYTER:
            from hai.agent.idle import IdleWatch

            self._idle = IdleWatch(spec, control_uid)
            self._link.quiet = self._idle.seconds
        self._meter = UsageMeter(spec, self._sampled)

    def run(self) -> None:
        """Until the end is reported (or nobody wants to know). NotOurs: nothing was done."""
        self._log.start()
        self._link.start()
        kernel = program.Kernel()  # while the server thinks
        ending = self._wait_for_go()
        if ending is None:
            ending = self._live(kernel)
        self._finish(ending)

    def _sampled(self, figures: dict[str, float]) -> None:
        if self._idle is not None:
            self._idle.look(figures)
        self._link.note(usage=figures)

    def _channel(self) -> SyncConnection:
        spec = self._spec
        return SyncConnection(spec.server_url, spec.token, is_alone=spec.server_is_alone)

    def _wait_for_go(self) -> WorkerEnding | None:
        while True:
            order = self._link.order()
            if order.get("stop") or order.get("over"):
                return WorkerEnding(TERMINATED, "stopped before start")
            if self._link.is_orphaned():
                return WorkerEnding(TERMINATED, "orphaned")
            if self._wakeup.is_terminated and self._eviction.is_over(time.monotonic(), 0.0):
                return WorkerEnding(TERMINATED, f"{NOT_STARTED}: {_TAKEN_AWAY}", is_lost=True)
            if order.get("go"):
                return None
            self._wakeup.wait(WAIT_SECONDS)

    def _live(self, kernel: program.Kernel) -> WorkerEnding:
        try:
            self._claim()
            if not self._run_scripts() or not self._place.settle(self._spec):
                return WorkerEnding(TERMINATED, "stopped before start")
            self._program = self._start(kernel)
        except program.CannotStart as error:
            self._log.say(error.detail)
            return WorkerEnding(error.exit_code, error.detail)
        except OSError as error:  # no space, no more processes: the machine's trouble
            detail = f"{NOT_STARTED}: {error}"
            self._log.say(detail)
            return WorkerEnding(program.NOT_EXECUTABLE, detail, is_lost=True)
        self._leaving = Leaving(self._program, self._log.say)
        self._fence = Fence(self._program, self._log.say)
        pid = self._program.pid
        self._record("started", {"pid": pid, "pgid": pid, "at": wall_time()})
        self._wakeup.watch(self._program.output)
        self._link.tell(phase="running")
        self._meter.start()
        self._watchdog.reset(time.monotonic())
        self._attend(self._leaving)
        self._drain()
        os.close(self._program.output)
        return self._ending_now(self._leaving)

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

    def _run_scripts(self) -> bool:
        """post_system_init; False when the worker is to stop meanwhile."""
        return Scripts(self._spec, self._account, self._log, self._is_unwanted).run()

    def _is_unwanted(self) -> bool:
        order = self._link.order()
        is_told = order.get("stop") or order.get("over") or self._wakeup.is_terminated
        return bool(is_told) or self._link.is_orphaned()

    def _start(self, kernel: program.Kernel) -> program.Program:
        spec = self._spec
        if self._port_holder is not None:
            self._port_holder.close()
        if spec.py_venv and not os.path.isabs(spec.py_venv):
            self._log.say(f"options.py_venv {spec.py_venv} is no absolute path: not used")
        lacking = split(spec.capabilities)[1] if self._account.uid else []
        if lacking:
            self._log.say(refusal(lacking) + " (the agent does not have them)")
        order = self._link.order()
        environment = program_environment(spec, order, self._account, sdk_path())
        self._beside = Beside(spec, self._account, environment, self._log, self._link)
        started = program.start(spec, self._account, environment, kernel)
        self._beside.services.start(kernel)
        return started

    def _attend(self, leaving: Leaving) -> None:
        """Until nothing of the program lives."""
        next_tick = 0.0
        while True:
            now = time.monotonic()
            if now >= next_tick:
                self._tick(now, leaving)
                if leaving.is_done:
                    return
                next_tick = now + self._pace()
            was_running = self._status is None
            self._pass(max(0.0, next_tick - time.monotonic()))
            if was_running and self._status is not None:
                next_tick = 0.0

    def _pace(self) -> float:
        if self._status is not None:
            self._looks += 1
            return NOTICE_TICK_SECONDS if self._looks <= QUICK_LOOKS else TICK_SECONDS
        is_close = self._notice.is_given and not self._dialogue.is_saved
        return NOTICE_TICK_SECONDS if is_close else TICK_SECONDS

    def _pass(self, timeout_seconds: float) -> bool:
        """Wait for output, an ended child or news; True if there was output."""
        has_output = self._wakeup.wait(timeout_seconds)
        if has_output:
            has_output = self._read()
        self._reap()
        if self._beside is not None and self._status is None:
            self._beside.channels.open(self._link.take_channels())
        return has_output

    def _read(self) -> bool:
        assert self._program is not None  # noqa: S101 - for the type checker
        for number in range(READS_PER_PASS):
            try:
                chunk = os.read(self._program.output, READ_BYTES)
            except BlockingIOError:
                return number > 0
            if not chunk:
                self._wakeup.unwatch()
                return number > 0
            self._watchdog.reset(time.monotonic())
            self._log.feed(chunk)
        return True

    def _reap(self) -> None:
        """Collect every ended child; orphans of the program are the agent's children too."""
        for pid, status in ended_children():
            if self._program is not None and pid == self._program.pid:
                self._status = status
            elif self._beside is not None:
                self._beside.reaped(pid, status)

    def _tick(self, now: float, leaving: Leaving) -> None:
        self._dialogue.run_once()
        self._see_to_log()
        if self._beside is not None:
            self._beside.services.run_once(now)
        if self._is_paused(now, leaving):
            return
        self._obey(now, leaving)
        files.keep_small(self._spec.end_file)
        leaving.second_look()
        if self._link.is_orphaned():
            self._kill(now, leaving, WorkerEnding(KILLED, "orphaned"))
        if self._status is None:
            self._watch(now, leaving)
        elif self._beside is None or self._beside.close(now):
            leaving.look_after(now, self._term_seconds())

    def _see_to_log(self) -> None:
        """How much of it is kept is the server's word; whether it stands still is ours."""
        keep_bytes = int(self._link.order().get("log_keep_bytes") or self._spec.log_keep_bytes)
        if keep_bytes != self._log_keep_bytes:
            self._log_keep_bytes = keep_bytes
            self._log.keep(keep_bytes)
        if self._log.trouble != self._log_trouble:
            self._log_trouble = self._log.trouble
            self._link.tell(detail=self._log_trouble)
        said = str(self._link.order().get("say") or "")
        if said != self._said:
            self._said = said
            if said:
                self._log.say(said)

    def _is_paused(self, now: float, leaving: Leaving) -> bool:
        """While the server may have given the worker up; nothing but an end is obeyed then."""
        if self._fence is None or leaving.has_killed:
            return False
        if not self._fence.holds(now, may_run=self._link.may_run()):
            return False
        self._watchdog.reset(now)
        if self._link.order().get("over"):
            self._kill(now, leaving, WorkerEnding(KILLED, "over"))
        elif self._link.is_orphaned():
            self._kill(now, leaving, WorkerEnding(KILLED, "orphaned"))
        elif leaving.is_due(now):
            self._kill(now, leaving, WorkerEnding(KILLED, CUT_OFF))
        return not leaving.has_killed

    def _watch(self, now: float, leaving: Leaving) -> None:
        self._watchdog.limit_seconds = (
            self._control.watchdog_seconds() or self._spec.watchdog_seconds
        )
        if self._dialogue.is_saved:
            self._watchdog.reset(now)
        if self._watchdog.is_expired(now):
            limit = f"{self._watchdog.limit_seconds:g}"
            self._kill(now, leaving, WorkerEnding(KILLED, f"watchdog: no output for {limit} s"))
        elif leaving.is_due(now):
            self._kill(now, leaving, WorkerEnding(KILLED, CUT_OFF))

    def _obey(self, now: float, leaving: Leaving) -> None:
        assert self._program is not None  # noqa: S101 - for the type checker
        order = self._link.order()
        is_told = self._wakeup.is_terminated
        is_cut_short = is_told and self._eviction.is_over(now, self._term_seconds())
        is_asked = order.get("suspend") or (is_told and not is_cut_short)
        if is_asked and not self._notice.is_given:
            seconds = order.get("grace_seconds") if order.get("suspend") else None
            self._notice.give(float(seconds or self._spec.leave_seconds))
        is_heard = self._dialogue.is_acked or leaving.has_begun
        if self._notice.is_given and not is_heard:
            self._notice.signal_handlers(self._program, now)
        if self._status is None and not leaving.has_begun:
            self._is_taken_away = is_cut_short and not order.get("stop")
            if order.get("stop") or self._is_taken_away:
                leaving.order(now, self._term_seconds())
        if order.get("over"):
            self._kill(now, leaving, WorkerEnding(KILLED, "over"))

    def _term_seconds(self) -> float:
        return float(self._link.order().get("term_seconds") or TERM_SECONDS)

    def _kill(self, now: float, leaving: Leaving, ending: WorkerEnding) -> None:
        """Once; a program that has ended already keeps its own exit code."""
        if leaving.has_killed:
            return
        if self._status is None:
            self._ending = ending
        self._log.say(ending.detail + ": SIGKILL")
        leaving.kill(now)

    def _drain(self) -> None:
        """The rest of the output; a pipe that somebody else holds open is not waited for."""
        silent_since = time.monotonic()
        while self._wakeup.is_watching and time.monotonic() - silent_since < PIPE_SECONDS:
            if self._pass(0.05):
                silent_since = time.monotonic()
        self._wakeup.unwatch()

    def _ending_now(self, leaving: Leaving) -> WorkerEnding:
        is_cut_off = leaving.is_ordered and leaving.has_killed
        ending = self._ending or ending_of(self._status, is_cut_off=is_cut_off)
        if self._is_taken_away:
            return WorkerEnding(ending.exit_code, _TAKEN_AWAY, is_lost=True)
        if self._spec.in_container and ending.exit_code == KILLED and not ending.detail:
            ending.detail = shortage()
        if self._spec.task_type == JUPYTER and ending.exit_code == program.NOT_FOUND:
            ending.detail = ending.detail or missing_text(self._spec.py_venv or self._spec.python)
        return ending

    def _has_proof(self, ending: WorkerEnding) -> bool:
        """A program that was sent SIGTERM has saved before it left."""
        leaving = self._leaving
        if leaving is None or not leaving.is_ordered or ending.detail:
            return False
        path = self._notice.proof(self._account)
        if path:
            self._log.say(f"saved after the notice: {path}")
        return bool(path)

    def _finish(self, ending: WorkerEnding) -> None:
        usage = self._meter.stop() if self._program is not None else {}
        acked, saved = self._dialogue.words()
        self._dialogue.read_checkpoint()
        saved = saved or self._has_proof(ending)
        if not self._log.close(LOG_SECONDS):
            files.complain("the end of the log could not be written")
        end: dict[str, Any] = {
            "exit_code": ending.exit_code,
            "detail": ending.detail,
            "usage": usage,
            "acked": acked or saved,
            "saved": saved,
            "lost": ending.is_lost,
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
            if name == "exit.json":
                files.tell_end(self._spec.end_file, value)
        except OSError as error:
            files.complain(f"{name}: {error.strerror}")
            return False
        return True
