"""Processes that die or hang."""

import signal
import threading
from contextlib import suppress

import psutil

from scripts.chaos_driver.faults import Scene, local
from scripts.chaos_driver.kinds import KILLED
from scripts.chaos_driver.site import LocalSite
from scripts.chaos_driver.waiting import wait_for

LOST_AFTER_SECONDS = 15.0


def pause(seconds: float) -> None:
    """The length is a part of the fault: nothing is waited for."""
    threading.Event().wait(seconds)


def hold(processes: list[psutil.Process], seconds: float) -> None:
    """SIGSTOP, and SIGCONT after this time."""
    stopped = []
    try:
        for process in processes:
            with suppress(psutil.NoSuchProcess):
                process.suspend()
                stopped.append(process)
        pause(seconds)
    finally:
        for process in stopped:
            with suppress(psutil.NoSuchProcess):
                process.resume()


def kill(processes: list[psutil.Process]) -> int:
    """SIGKILL; how many there still were."""
    count = 0
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.kill()
            count += 1
    return count


def some(scene: Scene[LocalSite], found: list[psutil.Process]) -> list[psutil.Process]:
    """One or, now and then, several of them."""
    ordered = sorted(found, key=lambda process: process.pid)
    most = min(len(ordered), scene.chance.choice((1, 1, 1, 2, 3)))
    return scene.chance.sample(ordered, most)


@local("server-killed")
def server_killed(scene: Scene[LocalSite]) -> str:
    kill(scene.site.servers())
    away = scene.chance.choice((0.0, 0.5, 2.0, 5.0))
    pause(away)
    scene.site.run()
    return f"started again after {away:g} s"


@local("server-stopped")
def server_stopped(scene: Scene[LocalSite]) -> str:
    seconds = scene.chance.choice((0.5, 2.0, 5.0, 20.0))
    hold(scene.site.servers(), seconds)
    scene.site.recovers()
    return f"for {seconds:g} s"


@local("agent-killed")
def agent_killed(scene: Scene[LocalSite]) -> str:
    found = wait_for(scene.site.agents, 20) or []
    return f"{kill(some(scene, found))} of {len(found)}"


@local("agent-stopped")
def agent_stopped(scene: Scene[LocalSite]) -> str:
    found = wait_for(scene.site.agents, 20) or []
    seconds = scene.chance.choice((0.5, 2.0, 4.0, LOST_AFTER_SECONDS + 5))
    hold(some(scene, found), seconds)
    return f"for {seconds:g} s"


@local("program-killed")
def program_killed(scene: Scene[LocalSite]) -> str:
    """The one fault that may be charged to a task: its own program's death."""
    victims = some(scene, wait_for(scene.site.programs, 20) or [])
    hit = []
    for process in victims:
        with suppress(psutil.Error):
            task = int(process.environ()["HAI_TASK_ID"])
            scene.load.allow(task, KILLED)
            process.kill()
            hit.append(f"task {task}")
    return ", ".join(hit) or "none ran"


@local("postgres-killed")
def postgres_killed(scene: Scene[LocalSite]) -> str:
    master = scene.site.postgres()
    killed = kill([master] if master else [])
    pause(scene.chance.choice((0.0, 0.5, 3.0)))
    scene.site.run()
    return "the postmaster" if killed else "it did not run"


@local("backend-killed")
def backend_killed(scene: Scene[LocalSite]) -> str:
    """PostgreSQL then ends all its connections and recovers by itself."""
    master = scene.site.postgres()
    backends = (
        [p for p in master.children() if "[local]" in " ".join(p.cmdline())] if master else []
    )
    number = kill(scene.chance.sample(backends, 1)) if backends else 0
    scene.site.recovers()
    return f"{number} of {len(backends)}"


@local("studio-killed")
def studio_killed(scene: Scene[LocalSite]) -> str:
    number = kill(scene.site.by_command("hai.studio.main", "--owner", str(scene.site.data)))
    scene.site.run()
    return f"{number} process(es)"


@local("everything-killed")
def everything_killed(scene: Scene[LocalSite]) -> str:
    """As a power cut of the machine's control plane: agents and programs go on alone."""
    master = scene.site.postgres()
    kill([*scene.site.servers(), *([master] if master else [])])
    pause(scene.chance.uniform(0.0, 4.0))
    scene.site.run()
    return "server and PostgreSQL"


@local("down-interrupted")
def down_interrupted(scene: Scene[LocalSite]) -> str:
    """Whoever has interrupted `down` goes on: with `run`, or by having changed their mind."""
    child = scene.site.start_command("hai-up", "down", "--data-dir", str(scene.site.data))
    seconds = scene.chance.uniform(0.2, 3.0)
    pause(seconds)
    signum = scene.chance.choice((signal.SIGINT, signal.SIGTERM, signal.SIGKILL))
    with suppress(ProcessLookupError):
        child.send_signal(signum)
    child.communicate()
    if scene.chance.random() < 0.5 or not scene.site.is_ready():
        scene.site.run()
        return f"{signum.name} after {seconds:.1f} s, then run"
    return f"{signum.name} after {seconds:.1f} s, then nothing"


@local("down-and-up")
def down_and_up(scene: Scene[LocalSite]) -> str:
    code, said = scene.site.run_command("hai-up", "down", "--data-dir", str(scene.site.data))
    scene.site.run()
    return f"down: exit {code}" + (f": {said.strip()[-200:]}" if code else "")
