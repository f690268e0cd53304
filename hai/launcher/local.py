"""Workers as processes of this machine.

Every worker is one agent process, named by its directory under `<data_dir>/workers`. Nothing is
kept in memory that matters: a new server finds everything in the directories. Two servers may call
at the same time; the agent's lock and its `started` file decide.
"""

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from hai.agent import cgroups, processes
from hai.agent.build import build_agent
from hai.core.task import WorkerKey
from hai.errors import PlatformError, Unavailable
from hai.launcher.worker import AgentOptions, agent_spec
from hai.launcher.worker_dir import WorkerDir, remove_tree
from hai.ports import Observation, WorkerLaunch, WorkerPhase

START_SECONDS = 10.0  # for the agent of a folder that was found to take its lock
LEAVE_SECONDS = 2.0  # for an agent whose report is recorded
KILL_SECONDS = 5.0  # for killed processes to go
LOOK_SECONDS = 0.5  # the same while everybody waits for a look at all workers
NOT_STARTED = "not started"  # what a lost worker says whose program never ran
_POLL_SECONDS = 0.01
_ALL_SIGNALS = sorted(signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP})
_PASSED_ON = ("PATH", "LANG", "TZ", "TMPDIR", "LD_LIBRARY_PATH", "SSL_CERT_FILE", "SSL_CERT_DIR")


class LocalLauncher:
    """Starts, ends and observes agents; blocking work happens in threads.

    `python` runs the agents and all programs without a py_venv. `gpu_count` is how many GPUs the
    machine really has (None: look). A node's GPU indices are chosen at launch: the first block of
    its size that no live worker holds, kept in the worker's spec.json; [] when there is none,
    because the nodes of this machine may be simulated shares with more GPUs than it has.
    """

    name = "local"
    takes_images = False
    runs_programs = True

    def __init__(
        self,
        data_dir: Path,
        python: str,
        options: AgentOptions | None = None,
        *,
        gpu_count: int | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._data_dir = data_dir.expanduser().absolute()
        self._root = self._data_dir / "workers"
        self._python = python
        self._options = options or AgentOptions()
        self._gpu_count = gpu_count
        self._monotonic = monotonic
        self._archive: Path | None = None
        self._lock = threading.Lock()  # one launch at a time chooses GPUs and spawns
        self._launched_at: dict[WorkerKey, float] = {}
        self._children: dict[int, WorkerKey] = {}
        self._ends: dict[WorkerKey, str] = {}  # how an agent ended that was our child
        self._swept: set[WorkerKey] = set()

    async def open(self) -> None:
        await asyncio.to_thread(self._open)

    async def close(self) -> None:
        """Agents stay as they are."""

    async def launch(self, worker: WorkerLaunch) -> None:
        await asyncio.to_thread(self._launch, worker)

    async def kill(self, key: WorkerKey) -> None:
        await asyncio.to_thread(self._kill, key)

    async def observe(self) -> list[Observation]:
        return await asyncio.to_thread(self._observe)

    async def forget(self, key: WorkerKey) -> None:
        await asyncio.to_thread(self._forget, key)

    def _open(self) -> None:
        with _disk_trouble(self._data_dir):
            self._ready_root()
            for trash in self._root.glob(".*"):  # what an interrupted forget() left
                with contextlib.suppress(OSError):
                    remove_tree(trash)

    def _ready_root(self) -> Path:
        """The agent's archive; makes the folders that a program of another uid must pass."""
        if self._archive is None or not self._archive.is_file():
            self._root.mkdir(parents=True, exist_ok=True)
            self._root.chmod(0o711)
            self._archive = build_agent(self._data_dir / "agent")
        return self._archive

    def _launch(self, worker: WorkerLaunch) -> None:
        python = shutil.which(self._python)
        if python is None:
            raise PlatformError(
                f"no Python at {self._python}",
                hint="set agent.python to an interpreter that exists on this machine",
            )
        directory = self._dir(worker.key)
        with self._lock, _disk_trouble(self._data_dir):
            archive = self._ready_root()
            # before there is anything to see: observe() must not take the new folder for a loss
            self._launched_at.setdefault(worker.key, self._monotonic())
            directory.create(0o711 if worker.uid is not None else 0o700)
            self._reap()
            is_on_its_way = worker.key in self._children.values()
            if is_on_its_way or directory.is_settled or directory.is_locked():
                return
            directory.write_spec(self._spec(worker, directory, python))
            self._launched_at[worker.key] = self._monotonic()
            self._spawn(worker.key, directory, python, archive)

    def _spec(self, worker: WorkerLaunch, directory: WorkerDir, python: str) -> dict[str, Any]:
        return agent_spec(
            worker,
            self._options,
            worker_dir=str(directory.path),
            python=python,
            gpu_indices=self._gpus_of(worker),
            limits=_limits(worker),
            root_scripts=[self._options.post_system_init],
        )

    def _spawn(self, key: WorkerKey, directory: WorkerDir, python: str, archive: Path) -> None:
        environment = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
        environment |= {n: value for n, value in os.environ.items() if n.startswith("LC_")}
        write = os.O_WRONLY | os.O_CREAT | os.O_APPEND
        try:
            pid = os.posix_spawn(
                python,
                [python, "-I", "-S", str(archive), str(directory.path)],
                environment,
                file_actions=[
                    (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                    (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0),
                    (os.POSIX_SPAWN_OPEN, 2, str(directory.path / "agent.err"), write, 0o600),
                ],
                setsid=True,
                setsigmask=[],
                setsigdef=_ALL_SIGNALS,
            )
        except (FileNotFoundError, PermissionError) as error:
            raise PlatformError(f"{python} cannot be run: {error.strerror}") from error
        self._children[pid] = key

    def _gpus_of(self, worker: WorkerLaunch) -> list[int]:
        if worker.asks is None:
            return self._choose_gpus(worker.node.gpus)
        return self._any_gpus(worker.asks.gpus)

    def _any_gpus(self, wanted: int) -> list[int]:
        """The first that nobody holds; [] when there are not so many."""
        if self._gpu_count is None:
            self._gpu_count = count_gpus()
        held = self._held_gpus()
        free = [index for index in range(self._gpu_count) if index not in held]
        return free[:wanted] if len(free) >= wanted else []

    def _held_gpus(self) -> set[int]:
        held: set[int] = set()
        for _, directory in self._workers():
            if directory.is_locked() or not directory.is_settled:
                held.update((directory.spec() or {}).get("gpu_indices") or [])
        return held

    def _choose_gpus(self, wanted: int) -> list[int]:
        if self._gpu_count is None:
            self._gpu_count = count_gpus()
        if not 0 < wanted <= self._gpu_count:
            return []
        held = self._held_gpus()
        for first in range(0, self._gpu_count - wanted + 1, wanted):
            block = range(first, first + wanted)
            if held.isdisjoint(block):
                return list(block)
        return []

    def _observe(self) -> list[Observation]:
        self._reap()
        with _disk_trouble(self._data_dir):
            return [self._look(key, directory) for key, directory in self._workers()]

    def _workers(self) -> Iterator[tuple[WorkerKey, WorkerDir]]:
        try:
            names = sorted(path.name for path in self._root.iterdir())
        except FileNotFoundError:
            return
        for name in names:
            with contextlib.suppress(ValueError):
                yield WorkerKey.parse(name), WorkerDir(self._root / name)

    def _look(self, key: WorkerKey, directory: WorkerDir) -> Observation:
        known = _alive_or_ended(key, directory)
        if known is not None:
            return known
        agent = directory.agent()
        if agent is not None and agent.boot_id != processes.boot_id():
            return Observation(key, WorkerPhase.NODE_LOST, detail="the machine was restarted")
        if agent is None and not directory.has("cancelled") and self._may_still_come(key):
            return Observation(key, WorkerPhase.ALIVE)
        # It may have come up, and even ended, between the looks.
        return _alive_or_ended(key, directory) or self._lost(key, directory)

    def _may_still_come(self, key: WorkerKey) -> bool:
        """A directory without an agent: it is on its way, however long a busy machine takes for
        that (the server gives up a start after its own time), or found after a restart or by the
        next leader, when a launch() by that server is still to be expected."""
        if key in self._ends:
            return False
        if key in self._children.values():
            return True
        since = self._launched_at.setdefault(key, self._monotonic())
        return self._monotonic() - since < START_SECONDS

    def _lost(self, key: WorkerKey, directory: WorkerDir) -> Observation:
        """Gone without a report. Reported only once nothing of it runs any more."""
        if key not in self._swept:
            if not self._sweep(directory, seconds=LOOK_SECONDS):
                return Observation(key, WorkerPhase.ALIVE)
            self._swept.add(key)
        self._reap()  # it may have died since the last time, and how is worth telling
        if key in self._children.values():
            return Observation(key, WorkerPhase.ALIVE)  # its lock is gone a moment before it is
        if directory.has("cancelled"):
            return Observation(key, WorkerPhase.LOST, detail="killed")
        return Observation(key, WorkerPhase.LOST, detail=self._how(key, directory))

    def _how(self, key: WorkerKey, directory: WorkerDir) -> str:
        """In what way a worker was lost, and whether its program ran."""
        end = directory.end()
        if end is not None:
            return end.detail
        how = self._ends.get(key, "the agent is gone without a report")
        note = directory.agent_note()
        how = f"{how}: {note}" if note else how
        return how if directory.has("started") else f"{NOT_STARTED}: {how}"

    def _reap(self) -> None:
        """Collect ended agents that this process started."""
        for pid, key in list(self._children.items()):
            try:
                done, status = os.waitpid(pid, os.WNOHANG)
            except ChildProcessError:
                done, status = pid, -1
            if not done:
                continue
            self._children.pop(pid, None)
            if status >= 0 and os.WIFSIGNALED(status):
                self._ends[key] = f"the agent was killed by signal {os.WTERMSIG(status)}"
            elif status >= 0:
                self._ends[key] = f"the agent ended with status {os.WEXITSTATUS(status)}"

    def _kill(self, key: WorkerKey) -> None:
        directory = self._dir(key)
        with _disk_trouble(self._data_dir):
            self._ready_root()
            directory.create()
            directory.cancel()
            # A child that is not reaped still has its pid, even before it wrote it down.
            ours = [pid for pid, child in list(self._children.items()) if child == key]
            if not self._sweep(directory, ours):
                raise Unavailable(f"processes of worker {key} do not go away after SIGKILL")
        self._reap()

    def _sweep(
        self, directory: WorkerDir, children: Sequence[int] = (), seconds: float = KILL_SECONDS
    ) -> bool:
        """SIGKILL the agent and everything that came of it; False if something stays.

        Where there are no control groups, who came of it is asked before the agent dies: afterwards
        nobody could tell.
        """
        marker = processes.marker_of(str(directory.path / "control"))
        deadline = time.monotonic() + seconds
        kin: dict[int, int] = {}  # pid -> start time: also those that hide their environment
        for child in children:
            below = [child, *processes.descendants(child)]
            kin.update((pid, processes.start_time(pid)) for pid in below)
        while True:
            agent = directory.agent()
            cgroup = ""
            if agent is not None and agent.boot_id == processes.boot_id():
                cgroup = agent.cgroup
                if processes.start_time(agent.pid) == agent.pid_start:
                    below = processes.descendants(agent.pid)
                    kin.update((pid, processes.start_time(pid)) for pid in below)
                processes.kill_exactly(agent.pid, agent.pid_start)
            kin.update((pid, processes.start_time(pid)) for pid in processes.marked(marker))
            cgroups.kill(cgroup)
            for pid, started in kin.items():
                processes.kill_exactly(pid, started)
            kin = {pid: started for pid, started in kin.items() if _is_same(pid, started)}
            if not kin and not cgroups.members(cgroup) and not directory.is_locked():
                cgroups.remove(cgroup)
                return True
            if time.monotonic() >= deadline:
                return False
            time.sleep(_POLL_SECONDS)

    def _forget(self, key: WorkerKey) -> None:
        directory = self._dir(key)
        with _disk_trouble(self._data_dir):
            deadline = time.monotonic() + LEAVE_SECONDS
            while directory.is_locked() and time.monotonic() < deadline:
                time.sleep(_POLL_SECONDS)
            agent = directory.agent()
            if directory.is_locked() or directory.end() is None:
                self._sweep(directory)
            cgroup = agent.cgroup if agent is not None else ""
            for group in (cgroup, *directory.groups()):
                while not cgroups.remove(group) and time.monotonic() < deadline:
                    time.sleep(
                        _POLL_SECONDS
                    )  # who has let go of the lock may be there for a moment
            directory.remove()
        self._reap()
        for known in (self._launched_at, self._ends):
            known.pop(key, None)
        self._swept.discard(key)

    def _dir(self, key: WorkerKey) -> WorkerDir:
        return WorkerDir(self._root / str(key))


def _limits(worker: WorkerLaunch) -> dict[str, float]:
    """What its control group is to allow it; nothing for whoever holds the whole node."""
    asks = worker.asks
    return {} if asks is None else {"cpus": asks.cpus, "memory_bytes": asks.memory_bytes}


def _alive_or_ended(key: WorkerKey, directory: WorkerDir) -> Observation | None:
    # The lock is asked first: an agent writes its report before it lets go.
    if directory.is_locked():
        return Observation(key, WorkerPhase.ALIVE)
    end = directory.end()
    if end is None or end.is_lost:
        return None
    words = end.exit_code, end.detail, end.acked, end.saved
    return Observation(key, WorkerPhase.EXITED, *words)


def count_gpus() -> int:
    """NVIDIA GPUs of this machine, by the driver's own list, else by nvidia-smi."""
    with contextlib.suppress(OSError):
        return len(list(Path("/proc/driver/nvidia/gpus").iterdir()))
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return 0
    try:
        listing = subprocess.run(  # noqa: S603 - a fixed command line, no shell
            [tool, "-L"], capture_output=True, timeout=10, check=True, text=True
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return 0
    return sum(line.startswith("GPU ") for line in listing.splitlines())


def _is_same(pid: int, started: int) -> bool:
    return processes.is_running(pid) and processes.start_time(pid) == started


@contextlib.contextmanager
def _disk_trouble(data_dir: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise Unavailable(
            f"{data_dir} cannot be used: {error.strerror or error}",
            hint="check its free space and its permissions",
        ) from error
