"""What a training program says to the platform, and what it hears. Standard library only.

Works the same in three places: in a task (through its control directory), in a simulated run
(`hai-cli python x.py ++ -ss 30`: HFAI_SIMULATE=1, SIMULATE_SUSPEND, MARSV2_WHOLE_LIFE_STATE), and
outside of both, where nothing ever suspends and the calls do nothing.

A suspend in four lines, to be called once per step on every rank:

    if receive_suspend_command():          # notice was given; the platform knows that we know
        save_checkpoint(step)
        set_whole_life_state(step)         # what the next attempt starts from
        go_suspend()                       # saved: stop me now; does not return
"""

from __future__ import annotations

import enum
import json
import os
import sys
import threading
import time

from hai import client as _client
from hai.client.control import ControlDir, RequestRefused

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, NoReturn

    from hai.client.health import HealthReport

DEFAULT_TIMEOUT_SECONDS = 500
NO_CLUSTER = "NO_CLUSTER"
_MIN_STATE, _MAX_STATE = -(2**63), 2**63 - 1


class ClientError(RuntimeError):
    """The platform refused a call, or it could not be made."""


class EXP_PRIORITY(enum.IntEnum):
    """Priority levels, higher first; AUTO is the highest level with quota left."""

    AUTO = -1
    LOW = 0
    BELOW_NORMAL = 5
    UNDER_NORMAL = 8
    NORMAL = 10
    ABOVE_NORMAL = 20
    HIGH = 30
    VERY_HIGH = 40
    EXTREME_HIGH = 50


class WARN_TYPE(enum.IntFlag):
    """Kinds of warnings of the original platform."""

    COMPLETED = 1
    TERMINATING = 2
    LOG = 4
    INTERRUPT = 8


class _Simulation:
    """What the platform would keep, kept in this process."""

    state: int | None = None


def _control() -> ControlDir | None:
    path = os.environ.get("HAI_CONTROL_DIR")
    return ControlDir(path) if path else None


def _is_simulated() -> bool:
    return "1" in (os.environ.get("HAI_SIMULATE"), os.environ.get("HFAI_SIMULATE"))


def receive_suspend_command(
    timeout: float = DEFAULT_TIMEOUT_SECONDS, raise_exception: bool = False
) -> bool:
    """True once the platform wants the nodes back; the first call that sees it acknowledges it.

    An acknowledged task gets its grace to save; one that stays silent for 5 s is stopped. True on
    every rank, though ranks may see it a step apart: agree on it (all-reduce the flag) before a
    collective save. Costs one stat() per call. `raise_exception`: ClientError when the notice
    could not be acknowledged. `timeout` is accepted for compatibility; nothing here waits.
    """
    control = _control()
    if control is None:
        return _is_simulated() and _simulated_notice()
    if not control.has_notice():
        return False
    try:
        control.mark("ack")
    except OSError as error:
        if raise_exception:
            raise ClientError(f"the notice could not be acknowledged: {error}") from error
    return True


def go_suspend(timeout: float = DEFAULT_TIMEOUT_SECONDS, raise_exception: bool = False) -> None:
    """Say that everything is saved, and wait for the end. Does not return in a task.

    In a simulated run it ends the program with exit code 0; elsewhere it does nothing.
    `raise_exception`: ClientError when the platform could not be told.
    """
    control = _control()
    if control is not None:
        _mark_saved(control, timeout, raise_exception)
        while True:
            time.sleep(3600)
    if _is_simulated():
        _end_simulation()


def checkpoint_saved(path: str | os.PathLike[str] | None = None, step: int | None = None) -> bool:
    """Say that a checkpoint is written: work up to now is safe, whatever happens next.

    The platform takes nodes from those first who lose the least, and shows the time of the last
    checkpoint. Call it after each one, on the rank that wrote it; `go_suspend()` implies one. Costs
    one small file. True when the platform will hear of it; never raises.
    """
    control = _control()
    if control is None:
        return _is_simulated()
    try:
        told: dict[str, Any] = {"path": "" if path is None else os.fspath(path)}
        if step is not None:
            told["step"] = int(step)
        control.mark("checkpoint", json.dumps(told))
    except (OSError, TypeError, ValueError):
        return False
    return True


def set_whole_life_state(
    state: int, timeout: float = DEFAULT_TIMEOUT_SECONDS, raise_exception: bool = True
) -> bool:
    """Keep a number for the attempts to come (a step, an epoch). True when it is stored.

    Every value is stored, also one that was there before. False outside of a task. ValueError for
    what is no 64-bit integer. Failures: TimeoutError after `timeout` seconds or ClientError if
    `raise_exception`, else False.
    """
    if isinstance(state, bool) or not hasattr(state, "__index__"):
        raise ValueError(f"whole_life_state must be an integer, not {state!r}")
    value = state.__index__()
    if not _MIN_STATE <= value <= _MAX_STATE:
        raise ValueError(f"whole_life_state must fit into 64 bits: {value}")
    control = _control()
    if control is None:
        _Simulation.state = value
        return _is_simulated()
    return _request(control, "set_whole_life_state", value, timeout, raise_exception)


def get_whole_life_state() -> int:
    """The number that is stored now; 0 if none ever was."""
    control = _control()
    stored = control.whole_life_state() if control is not None else _Simulation.state
    if stored is not None:
        return stored
    for name in ("HAI_WHOLE_LIFE_STATE", "MARSV2_WHOLE_LIFE_STATE"):
        try:
            return int(os.environ[name])
        except (KeyError, ValueError):
            continue
    return 0


def set_priority(
    priority: int | str, timeout: float = DEFAULT_TIMEOUT_SECONDS, raise_exception: bool = True
) -> bool:
    """Change this task's priority to a level of EXP_PRIORITY (or its name). True when done.

    ValueError for anything else. False outside of a task. Failures as in set_whole_life_state.
    """
    value = _level(priority)
    control = _control()
    if control is None:
        return False
    return _request(control, "set_priority", value, timeout, raise_exception)


def set_watchdog_time(seconds: float) -> None:
    """How long this rank may be silent before it counts as hung; counts from its last output.

    ValueError unless positive and finite. Does nothing outside of a task.
    """
    if isinstance(seconds, bool) or not 0 < seconds < float("inf"):
        raise ValueError(f"the watchdog time must be a positive number of seconds: {seconds!r}")
    control = _control()
    if control is not None:
        control.mark("watchdog_seconds", f"{float(seconds)!r}\n")


def disable_warn(
    warn_type: int, timeout: float = DEFAULT_TIMEOUT_SECONDS, raise_exception: bool = False
) -> bool:
    """Accepted for programs of the original platform. HAI sends no such warnings: always True."""
    return True


def bind_hf_except_hook(process_class: Any) -> None:
    """Make a `multiprocessing.Process` class check its machine when its work raises.

    The findings go to stderr, then the exception goes on as before. Binding twice is harmless.
    """
    run: Callable[[Any], None] = process_class.run
    if getattr(run, "_hai_checks_health", False):
        return

    def run_and_check(self: Any) -> None:
        try:
            run(self)
        except Exception:
            sys.stderr.write(f"{self_health_check()}\n")
            sys.stderr.flush()
            raise

    run_and_check._hai_checks_health = True  # type: ignore[attr-defined]
    process_class.run = run_and_check


def self_health_check() -> HealthReport:
    """Look at this machine's GPUs, InfiniBand ports, memory and disk; truthy when all is well."""
    from hai.client.health import check_machine

    return check_machine()


def nb_name() -> str:
    """The task's name; "NO_CLUSTER" outside of a task, as for the other names."""
    return os.environ.get("MARSV2_NB_NAME", NO_CLUSTER)


def task_id() -> int | None:
    """None outside of a task."""
    text = os.environ.get("MARSV2_TASK_ID", "")
    return int(text) if text.isdigit() else None


def rank() -> int:
    """This node's number in the gang; 0 outside of a task."""
    text = os.environ.get("MARSV2_RANK") or os.environ.get("RANK", "")
    return int(text) if text.isdigit() else 0


def node_name() -> str:
    """The node that this rank runs on."""
    return os.environ.get("MARSV2_NODE_NAME", NO_CLUSTER)


def user_name() -> str:
    """Whose task this is."""
    return os.environ.get("MARSV2_USER", NO_CLUSTER)


def _level(priority: int | str) -> int:
    if isinstance(priority, str) and priority.upper() in EXP_PRIORITY.__members__:
        return int(EXP_PRIORITY[priority.upper()])
    is_number = isinstance(priority, int) and not isinstance(priority, bool)
    if is_number and priority in [int(level) for level in EXP_PRIORITY]:
        return int(priority)
    levels = ", ".join(f"{level.name} ({level})" for level in EXP_PRIORITY)
    raise ValueError(f"{priority!r} is no priority; choose one of {levels}")


def _request(
    control: ControlDir, op: str, value: int, timeout: float, raise_exception: bool
) -> bool:
    try:
        control.request(op, value, timeout)
    except TimeoutError:
        if raise_exception:
            raise
        return False
    except (OSError, RequestRefused) as error:
        if raise_exception:
            raise ClientError(f"{op}: {error}") from error
        return False
    return True


def _mark_saved(control: ControlDir, timeout: float, raise_exception: bool) -> None:
    """A full disk may have room again in a moment: try until `timeout`, then report or wait."""
    deadline = time.monotonic() + timeout
    while True:
        try:
            control.mark("saved")
        except OSError as error:
            if time.monotonic() < deadline:
                time.sleep(0.5)
                continue
            if raise_exception:
                raise ClientError(f"the platform could not be told: {error}") from error
            sys.stderr.write(f"hai: go_suspend could not tell the platform: {error}\n")
        return


def _simulated_notice() -> bool:
    try:
        after_seconds = float(os.environ["SIMULATE_SUSPEND"])
    except (KeyError, ValueError):
        return False
    return time.monotonic() - _client.IMPORTED_AT >= after_seconds


def _end_simulation() -> NoReturn:
    state = get_whole_life_state()
    sys.stderr.write(
        f"hai: simulated suspend; resume with -ls {state} (MARSV2_WHOLE_LIFE_STATE={state})\n"
    )
    sys.stdout.flush()
    sys.stderr.flush()
    if threading.current_thread() is threading.main_thread():
        raise SystemExit(0)
    os._exit(0)
