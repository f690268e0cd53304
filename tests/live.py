"""A real platform in a folder of its own: hai-server, its agents, and whoever talks to it."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import httpx2
import psutil

from hai.agent import cgroups
from hai.client.loglines import WholeLines
from hai_up import ports
from tests.waiting import PATIENCE_SECONDS, wait_until

REPOSITORY = Path(__file__).parent.parent
BOB_UID = 64321  # an account that exists nowhere; used when the tests run as root


@dataclass
class Live:
    """Start, kill and ask one server. `directory` must be passable for other accounts."""

    directory: Path
    database_url: str
    nodes: int = 4
    hollow_nodes: int = 0
    settings: Mapping[str, str] = field(default_factory=dict)  # HAI_<SECTION>__<KEY> by name
    tokens: dict[str, str] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None
    port: int = 0

    def __post_init__(self) -> None:
        self.data_dir = self.directory / "data"
        self.data_dir.mkdir()
        self.data_dir.chmod(0o711)
        self.work_dir = self.directory / "work"
        self.work_dir.mkdir()
        self.work_dir.chmod(0o777)
        self.config = self.data_dir / "override.toml"
        self.port = free_port()
        self.config.touch(0o600)
        self.config.write_text(
            f'[server]\nport = {self.port}\ndata_dir = "{self.data_dir}"\n'
            f'[store]\nurl = "{self.database_url}"\n'
        )

    # the server

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "hai.server.main", *arguments, "--config", str(self.config)]

    def environment(self) -> dict[str, str]:
        patient = {"HAI_CHANNELS__OPEN_SECONDS": "60"}  # however busy the machine is
        return {**os.environ, "PYTHONPATH": str(REPOSITORY), **patient, **self.settings}

    def bootstrap(self) -> None:
        """Nodes, quotas and the first user "root", an admin."""
        document = json.dumps(self.document())
        done = subprocess.run(
            self.command("bootstrap"),
            input=document,
            text=True,
            capture_output=True,
            env=self.environment(),
            check=False,
        )
        assert done.returncode == 0, done.stderr
        token = json.loads(done.stdout)["token"]
        if token:
            self.tokens["root"] = token

    def document(self) -> dict[str, Any]:
        sizes = {"training": self.nodes, "hollow": self.hollow_nodes}
        launchers = {"training": "local", "hollow": "hollow"}
        levels = ("LOW", "NORMAL", "HIGH")
        return {
            "user": {"name": "root", "role": "admin", "uid": os.getuid()},
            "groups": [{"name": group} for group in sizes],
            "nodes": [
                {"name": f"{group}-{i}", "group": group, "launcher": launchers[group], "gpus": 8}
                for group, size in sizes.items()
                for i in range(size)
            ],
            "quotas": [
                {"user": "*", "resource": f"node-{group}-{level}", "nodes": size}
                for group, size in sizes.items()
                for level in levels
            ],
        }

    def start(self) -> None:
        """Start the server and wait until it is ready."""
        with (self.directory / "server.log").open("ab") as log:
            self.process = subprocess.Popen(
                self.command("run"),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self.environment(),
                start_new_session=True,
            )
        wait_until(self.is_ready, what="the server")

    def is_ready(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, self.log()
        try:
            return httpx2.get(f"{self.url}/ready", timeout=5).status_code == 200
        except httpx2.HTTPError:
            return False

    def log(self) -> str:
        return (self.directory / "server.log").read_text(errors="replace")

    def kill(self) -> None:
        """kill -9: what a crash or the kernel's out-of-memory killer does."""
        self.end(signal.SIGKILL)

    def stop(self) -> None:
        self.end(signal.SIGTERM)

    def end(self, signum: signal.Signals) -> None:
        if self.process is not None:
            self.process.send_signal(signum)
            self.process.wait(PATIENCE_SECONDS)
            self.process = None

    # its users

    def client(self, user: str = "root") -> httpx2.Client:
        headers = {"Authorization": f"Bearer {self.tokens[user]}"}
        return httpx2.Client(
            base_url=f"{self.url}/api/v1", headers=headers, timeout=PATIENCE_SECONDS
        )

    def add_user(self, name: str, uid: int = BOB_UID) -> None:
        """`uid` counts where the tests run as root."""
        own = uid if os.getuid() == 0 else None
        with self.client() as admin:
            reply = admin.post("/users", json={"name": name, "uid": own})
        assert reply.status_code == 201, reply.text
        self.tokens[name] = reply.json()["token"]["token"]

    def profile(self, user: str = "root") -> Path:
        """A client configuration file of this user."""
        path = self.directory / f"conf-{user}.yaml"
        path.touch(0o600)
        path.write_text(f"url: {self.url}\ntoken: {self.tokens[user]}\nuser: {user}\n")
        return path

    def script(self, name: str, text: str) -> Path:
        path = self.work_dir / name
        path.write_text(text)
        path.chmod(0o755)
        return path

    # its tasks

    def submit(self, user: str = "root", **changes: Any) -> int:
        """Submit to group training unless told otherwise; the task's id."""
        with self.client(user) as client:
            reply = client.post("/tasks", json=self.task(**changes))
        assert reply.status_code == 201, reply.text
        task_id: int = reply.json()["id"]
        return task_id

    def task(
        self,
        name: str = "train.py",
        nodes: int = 1,
        group: str = "training",
        priority: str = "NORMAL",
        parameters: str = "",
        **more: Any,
    ) -> dict[str, Any]:
        spec = {
            "entrypoint": more.pop("entrypoint", name),
            "workspace": str(self.work_dir),
            "parameters": parameters,
            "environments": more.pop("environments", {"PYTHONPATH": str(REPOSITORY)}),
        }
        return {
            "version": 2,
            "name": name,
            "priority": priority,
            "spec": spec,
            "resource": {"group": group, "node_count": nodes},
            **more,
        }

    def detail(self, task_id: int) -> dict[str, Any]:
        with self.client() as client:
            reply = client.get(f"/tasks/{task_id}")
        assert reply.status_code == 200, reply.text
        detail: dict[str, Any] = reply.json()
        return detail

    def wait(self, task_id: int, *states: str, timeout: float = PATIENCE_SECONDS) -> dict[str, Any]:
        """The task's detail once it is in one of these states."""
        detail: dict[str, Any] = {}

        def is_there() -> bool:
            detail.clear()
            detail.update(self.detail(task_id))
            return detail["state"] in states

        def what() -> str:
            told = f"{detail['state']}, {detail['why']!r}"
            return f"{' or '.join(states)} of task {task_id}, now {told}\n{self.log()[-3000:]}\n"

        wait_until(is_there, timeout, what=what)
        return detail

    def events(self, task_id: int) -> list[str]:
        with self.client() as client:
            reply = client.get(f"/tasks/{task_id}/events")
        return [event["kind"].removeprefix("task.") for event in reply.json()["events"]]

    def reasons(self, task_id: int) -> list[str]:
        """Kind and reason of every event."""
        with self.client() as client:
            reply = client.get(f"/tasks/{task_id}/events")
        return [f"{event['kind']}: {event['why']}" for event in reply.json()["events"]]

    def text(self, task_id: int, rank: str = "all") -> str:
        """All log lines that exist now, without their times."""
        whole = WholeLines()
        lines = []
        with self.client() as client:
            reply = client.get(f"/tasks/{task_id}/logs", params={"rank": rank})
        for line in reply.text.splitlines():
            if line.startswith("data: "):
                for entry in json.loads(line[6:]).get("lines", ()):
                    lines += whole.add(entry)
        return "\n".join(line["text"] for line in [*lines, *whole.rest()])

    # its processes

    def agents(self) -> list[psutil.Process]:
        return list(
            self._processes(lambda line: "agent.pyz" in line and str(self.data_dir) in line)
        )

    def programs(self) -> list[psutil.Process]:
        """Everything that runs as part of a task of this platform, agents aside."""
        marker = str(self.data_dir / "workers")
        found = []
        for process in psutil.process_iter():
            try:
                if process.status() == psutil.STATUS_ZOMBIE:
                    continue
                if marker in process.environ().get("HAI_CONTROL_DIR", ""):
                    found.append(process)
            except psutil.Error:
                continue
        return found

    def _processes(self, wanted: Any) -> Iterator[psutil.Process]:
        for process in psutil.process_iter():
            try:
                if process.status() == psutil.STATUS_ZOMBIE:
                    continue
                line = " ".join(process.cmdline())
            except psutil.Error:
                continue
            if wanted(line):
                yield process

    def close(self) -> None:
        """End the server and everything that it started."""
        self.end(signal.SIGKILL)
        for process in [*self.agents(), *self.programs()]:
            try:
                process.kill()
            except psutil.NoSuchProcess:
                continue
        for path in self.data_dir.glob("workers/*/agent.pid"):
            group = str(json.loads(path.read_text()).get("cgroup") or "")
            cgroups.kill(group)
            wait_until(partial(cgroups.remove, group), what="an empty control group")


def free_port() -> int:
    return ports.free_port("127.0.0.1")
