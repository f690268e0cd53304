"""Workers of this machine that outlived their server: seen, and ended before a purge."""

import json
import os
import signal
from contextlib import suppress
from pathlib import Path

from hai.agent import cgroups, processes, signals
from hai_up.files import read_text
from hai_up.layout import Layout
from hai_up.process import Process, wait_until


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

    An agent that is told to stop sends its program's processes one SIGTERM each. Then it would wait
    for a server to report to; nobody needs its report any more. Returns how many agents there were.
    """
    agents = live_agents(layout)
    pids = {agent.pid for agent in agents}
    told = {pid for pid in pids if signals.handles(pid, signal.SIGTERM)}
    looked_after = {kin for pid in told for kin in processes.descendants(pid)}
    alone = _kin(layout, agents) - pids - looked_after
    processes.signal_all(sorted(told | alone), signal.SIGTERM)
    wait_until(lambda: not _kin(layout, agents) - pids, seconds)
    wait_until(lambda: not _kill_all(layout, agents), 10, step_seconds=0.02)
    return len(agents)


def _kill_all(layout: Layout, agents: list[Process]) -> bool:
    """SIGKILL everything that came of a worker; False when there was nothing left."""
    running = _kin(layout, agents)
    processes.signal_all(sorted(running), signal.SIGKILL)
    if not running:
        for path in layout.workers.glob("*/agent.pid"):
            cgroups.remove(_cgroup_of(path))
    return bool(running)


def _kin(layout: Layout, agents: list[Process]) -> set[int]:
    """Everything that runs, and is an agent, descends from one, carries a worker's mark or is in a
    worker's control group."""
    kin: set[int] = set()
    for agent in agents:
        if agent.is_alive():
            kin.update([*processes.descendants(agent.pid), agent.pid])
    for path in layout.workers.glob("*.*.*"):
        kin.update(processes.marked(processes.marker_of(os.fspath(path / "control"))))
        kin.update(cgroups.members(_cgroup_of(path / "agent.pid")))
    kin.discard(os.getpid())
    return {pid for pid in kin if processes.is_running(pid)}


def _cgroup_of(path: Path) -> str:
    """The control group that an agent wrote down; "" if it has none, or of another boot."""
    try:
        values = json.loads(read_text(path) or "{}")
        is_current = values.get("boot_id") == processes.boot_id()
        return str(values.get("cgroup") or "") if is_current else ""
    except (ValueError, AttributeError):
        return ""
