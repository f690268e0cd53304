"""Workers of this machine that outlived their server: seen, and ended before a purge."""

import json
import os
import signal
from contextlib import suppress
from pathlib import Path

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
    for agent in agents:
        with suppress(ProcessLookupError):
            if agent.is_alive():
                os.kill(agent.pid, signal.SIGKILL)
    _signal_programs(layout, signal.SIGKILL)
    wait_until(lambda: not any(agent.is_alive() for agent in agents), 10)
    return len(agents)


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
