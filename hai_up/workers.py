"""Workers of this machine that outlived their server: seen, and ended before a purge."""

import json
import os
import signal
from contextlib import suppress
from pathlib import Path

from hai.agent import processes
from hai_up.files import read_text
from hai_up.layout import Layout
from hai_up.process import Process, process_of, wait_until


def live_agents(layout: Layout) -> list[Process]:
    """Agents whose worker folder is here and whose process is still the same one."""
    found = []
    for path in sorted(layout.workers.glob("*/agent.pid")):
        with suppress(ValueError, KeyError, TypeError):
            values = json.loads(read_text(path) or "{}")
            agent = Process(int(values["pid"]), int(values["pid_start"]), str(values["boot_id"]))
            if agent.is_alive():
                found.append(agent)
    return found


def end_workers(layout: Layout, *, seconds: float) -> int:
    """End every worker: SIGTERM to the programs, SIGKILL to what is left after `seconds`.

    Agents would wait for a server to report to; nobody needs their reports any more. Returns how
    many agents there were.
    """
    agents = live_agents(layout)
    _signal_programs(layout, signal.SIGTERM)
    wait_until(lambda: not _programs(layout), seconds)
    wait_until(lambda: not _kill_all(layout, agents), 10, step_seconds=0.02)
    return len(agents)


def _kill_all(layout: Layout, agents: list[Process]) -> bool:
    """SIGKILL everything that descends from an agent or carries a worker's mark; False when there
    was nothing left."""
    kin: set[int] = set()
    for agent in agents:
        if agent.is_alive():
            kin.update([*processes.descendants(agent.pid), agent.pid])
    for path in layout.workers.glob("*.*.*"):
        kin.update(processes.marked(processes.marker_of(os.fspath(path / "control"))))
    kin.discard(os.getpid())
    running = [pid for pid in kin if processes.is_running(pid)]
    processes.signal_all(running, signal.SIGKILL)
    return bool(running)


def _signal_programs(layout: Layout, number: signal.Signals) -> None:
    for group in _programs(layout):
        with suppress(ProcessLookupError):
            os.killpg(group, number)


def _programs(layout: Layout) -> list[int]:
    """Process groups of users' programs that run now.

    A leader's pid may be another program's by now; ours has its worker folder in its environment.
    """
    found = []
    for path in layout.workers.glob("*/started"):
        with suppress(ValueError, KeyError, TypeError, OSError):
            leader = process_of(int(json.loads(path.read_text())["pgid"]))
            mark = os.fsencode(path.parent)
            if leader and mark in Path(f"/proc/{leader.pid}/environ").read_bytes():
                found.append(leader.pid)
    return found
