"""The platform under test: its own folder, ports and processes, started by `hai-up` as users do."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from types import MappingProxyType

import httpx2
import psutil
import yaml

from scripts.chaos_driver.clock import JumpingClock
from scripts.chaos_driver.mounts import Disk
from scripts.chaos_driver.waiting import Violation, wait_for

_BIN = Path(sys.executable).parent
RECOVERY_SECONDS = 180.0  # of a machine that is busy with other things
SETTINGS = {
    "HAI_AGENT__HEARTBEAT_SECONDS": "2",
    "HAI_AGENT__LOST_AFTER_SECONDS": "15",
    "HAI_AGENT__SUSPECT_SECONDS": "2",
    "HAI_SCHEDULER__SLICE_SECONDS": "3",
    "HAI_SCHEDULER__TICK_SECONDS": "1",
    "HAI_SUSPEND__NOTICE_SECONDS": "2",
    "HAI_SUSPEND__TERM_SECONDS": "2",
    "HAI_SUSPEND__GRACE_SECONDS": "10",
}


class LocalSite:
    """One machine, `hai-up -p local`. Everything lies below `folder`."""

    environment_name = "local"
    group = "training"  # whose nodes the tasks ask for
    needs_control_groups = True  # to find the hidden children of a dead agent

    def __init__(self, folder: Path, disk: Disk, clock: JumpingClock, nodes: int) -> None:
        self.folder = folder
        self.disk = disk
        self._size = nodes
        self.work = folder / "work"
        self.data = disk.folder / "data"  # removable, unlike a mount point
        kept = {n: v for n, v in os.environ.items() if not n.startswith(("HAI_", "MARSV2_"))}
        self.clock = clock
        self.environment = {**kept, "HOME": str(folder), **SETTINGS, **clock.variables}
        self.url = ""
        self.token = ""

    # commands

    def command(self, name: str, *words: str) -> list[str]:
        return [str(_BIN / name), *words]

    def start_command(self, name: str, *words: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            self.command(name, *words),
            env=self.environment,
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def run_command(self, name: str, *words: str, seconds: float = 150) -> tuple[int, str]:
        """Exit code and everything said; -1 when it was killed after `seconds`."""
        child = self.start_command(name, *words)
        try:
            said = child.communicate(timeout=seconds)[0]
        except subprocess.TimeoutExpired:
            os.killpg(child.pid, signal.SIGKILL)
            return -1, child.communicate()[0]
        return child.returncode, said

    def up_options(self) -> list[str]:
        """Of the first `hai-up run`; it keeps them."""
        return ["--port", "0", "--nodes", str(self._size), "--user", "root"]

    def run(self) -> None:
        """`hai-up run` until it succeeds: what a person does after a fault."""
        options = ["--data-dir", str(self.data)]
        if not self.url:
            options += self.up_options()
        said: list[str] = []

        def succeeds() -> bool:
            code, text = self.run_command("hai-up", "run", "-p", "local", *options)
            said.append(text.strip())
            return code == 0 and self.is_ready()

        if not self.url:
            self._first_run(options)
        elif not wait_for(succeeds, RECOVERY_SECONDS, 1.0):
            raise Violation(f"hai-up run does not bring the platform back: {said[-1]}")

    def _first_run(self, options: list[str]) -> None:
        code, text = self.run_command("hai-up", "run", "-p", "local", *options)
        if code:
            raise SystemExit(f"hai-up run failed:\n{text}")
        profile = yaml.safe_load((self.folder / ".hai" / "conf.yaml").read_text())
        self.url, self.token = profile["url"], profile["token"]

    def recovers(self) -> None:
        """Nobody does anything: it has to come back by itself."""
        if not wait_for(self.is_ready, RECOVERY_SECONDS):
            raise Violation(f"not ready {RECOVERY_SECONDS:.0f} s after the fault had gone")

    # what it answers

    def client(self, token: str = "") -> httpx2.Client:
        headers = {"Authorization": f"Bearer {token or self.token}"}
        url = f"{self.url}/api/v1"
        return httpx2.Client(base_url=url, headers=headers, timeout=20, trust_env=False)

    def nodes(self) -> list[str]:
        with self.client() as client:
            rows = client.get("/nodes").raise_for_status().json()["nodes"]
        return [str(row["name"]) for row in rows]

    def is_ready(self) -> bool:
        try:
            return httpx2.get(f"{self.url}/ready", timeout=5, trust_env=False).status_code == 200
        except httpx2.HTTPError:
            return False

    def database_url(self) -> str:
        settings = tomllib.loads((self.data / "override.toml").read_text())
        return str(settings["store"]["url"])

    # its processes

    def processes(self) -> Iterator[tuple[psutil.Process, str]]:
        """All that live, with their command lines."""
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                if process.status() != psutil.STATUS_ZOMBIE:
                    yield process, " ".join(process.cmdline())

    def by_command(self, *parts: str) -> list[psutil.Process]:
        return [p for p, line in self.processes() if all(part in line for part in parts)]

    def servers(self) -> list[psutil.Process]:
        return self.by_command("hai.server.main run", str(self.data))

    def agents(self) -> list[psutil.Process]:
        return self.by_command("agent.pyz", str(self.data))

    def programs(self) -> list[psutil.Process]:
        """All that runs as a part of a task, agents aside."""
        marker = str(self.data / "workers")
        found = []
        for process, _ in self.processes():
            with suppress(psutil.Error):
                if marker in process.environ().get("HAI_CONTROL_DIR", ""):
                    found.append(process)
        return found

    def postgres(self) -> psutil.Process | None:
        """The postmaster."""
        with suppress(OSError, ValueError, IndexError, psutil.Error):
            [path] = (self.data / "postgres").rglob("postmaster.pid")
            return psutil.Process(int(path.read_text().split("\n")[0]))
        return None

    def objects(self) -> list[str]:
        """What else there is of workers, elsewhere than in this machine's processes."""
        return []

    def end(self) -> str:
        """Take it down and remove it; what was left over, "" for nothing."""
        down = ["down", "--data-dir", str(self.data), "--purge", "-y"]
        code, said = self.run_command("hai-up", *down)
        left = self.leftovers()
        if code:
            return f"hai-up down --purge: exit {code}: {said.strip()[-500:]}"
        return f"left over by hai-up down --purge: {'; '.join(left)}" if left else ""

    def leftovers(self) -> list[str]:
        """What is there of the platform, in words; nothing once it is down."""
        folder = str(self.folder)
        return [f"{p.pid} {line[:90]}" for p, line in self.processes() if folder in line]

    def kill(self) -> None:
        """End every process of it at once, however it does."""
        master = self.postgres()
        found = [*self.servers(), *self.agents(), *self.programs(), *([master] if master else [])]
        found += [process for process, line in self.processes() if str(self.data) in line]
        for process in found:
            with suppress(psutil.Error):
                process.kill()


@contextmanager
def local_site(
    nodes: int, settings: Mapping[str, str] = MappingProxyType({})
) -> Iterator[LocalSite]:
    """A running site; its folder is removed unless the body raises. `settings` are
    HAI_<SECTION>__<KEY> by name."""
    folder = Path(tempfile.mkdtemp(prefix="hai-chaos-", dir="/tmp"))
    folder.chmod(0o711)
    disk = Disk(folder / "disk")
    site = LocalSite(folder, disk, JumpingClock(folder / "clock"), nodes)
    site.environment |= settings
    disk.prepare()
    is_good = False
    try:
        site.run()
        yield site
        is_good = True
    finally:
        site.kill()
        disk.remove(keep=not is_good)
    shutil.rmtree(folder, ignore_errors=True)
