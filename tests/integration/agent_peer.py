"""The server's side of the agent protocol, small and under the test's control, over real HTTP;
and what every test of real agents needs: launches, deadlines, a clean end."""

import asyncio
import contextlib
import json
import os
import sys
import threading
import time
from collections.abc import AsyncIterator, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, TypeVar

from hai.agent import processes
from hai.core.node import Node
from hai.core.task import WorkerKey
from hai.core.types import GroupName, NodeName, Priority, TaskId, UserName
from hai.launcher.local import LocalLauncher
from hai.launcher.worker import AgentOptions
from hai.ports import Observation, WorkerLaunch, WorkerPhase
from tests.waiting import PATIENCE_SECONDS, async_wait_until, wait_until

T = TypeVar("T")
TOKEN = "worker-secret-token"  # noqa: S105 - of the test's own peer
NO_ORDER: dict[str, Any] = {
    "go": False,
    "master_addr": "127.0.0.1",
    "master_port": 0,
    "suspend": False,
    "grace_seconds": 60.0,
    "stop": False,
    "term_seconds": 5.0,
    "over": False,
}


class Peer:
    """Answers agents; `order` sets what a worker should do, `report` is the last that it said."""

    def __init__(self, host: str = "127.0.0.1") -> None:
        self.host = host
        self.changed = threading.Condition()
        self.orders: dict[str, dict[str, Any]] = {}
        self.reports: dict[str, list[tuple[float, dict[str, Any]]]] = {}
        self.replies: dict[str, list[dict[str, Any]]] = {}
        self.status = 200
        self.error: dict[str, Any] = {"code": "x"}  # the answer of every other status
        self._server: ThreadingHTTPServer | None = None
        self.port = 0
        self.start()

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}"

    def start(self) -> None:
        peer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_POST(self) -> None:
                length = int(self.headers["Content-Length"])
                report = json.loads(self.rfile.read(length))
                if peer._server is None:  # gone: an open connection is of no use either
                    self.close_connection = True
                    return
                is_known = self.headers["Authorization"] == f"Bearer {TOKEN}"
                status = peer.status if is_known else 401
                assert self.path == "/api/v1/agent/sync"
                answer = peer.answer(report) if status == 200 else peer.error
                body = json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            block_on_close = False
            request_queue_size = 64

            def handle_error(self, request: object, client_address: object) -> None:
                pass  # agents may be killed in the middle of a call

        self._server = Server((self.host, self.port), Handler)
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def stop(self) -> None:
        """Go away; the port stays ours to come back to."""
        server, self._server = self._server, None
        if server is not None:
            server.shutdown()
            server.server_close()

    def answer(self, report: dict[str, Any]) -> dict[str, Any]:
        key = report["key"]
        with self.changed:
            self.reports.setdefault(key, []).append((time.monotonic(), report))
            self.changed.notify_all()
            deadline = time.monotonic() + report["wait_seconds"]
            asked = {request["id"] for request in report["requests"]}
            while self._digest(key) == report["seen"] and time.monotonic() < deadline:
                if self._server is None or self._replies(key, asked):
                    break
                self.changed.wait(min(0.2, max(0.0, deadline - time.monotonic())))
            order = self.orders.get(key, NO_ORDER)
            replies = self._replies(key, asked)
            return {"digest": self._digest(key), "order": order, "replies": replies}

    def _replies(self, key: str, asked: set[str]) -> list[dict[str, Any]]:
        return [reply for reply in self.replies.get(key, []) if reply["id"] in asked]

    def order(self, key: str, **values: Any) -> None:
        with self.changed:
            self.orders[key] = {**self.orders.get(key, NO_ORDER), **values}
            self.changed.notify_all()

    def report(self, key: str) -> dict[str, Any]:
        with self.changed:
            said = self.reports.get(key)
            return said[-1][1] if said else {}

    def all_reports(self, key: str) -> list[tuple[float, dict[str, Any]]]:
        with self.changed:
            return list(self.reports.get(key, []))

    def wait_for(
        self, key: str, within_seconds: float = PATIENCE_SECONDS, **values: Any
    ) -> dict[str, Any]:
        """The first report that holds all `values`."""

        def look() -> dict[str, Any] | None:
            for _, report in self.all_reports(key):
                if all(report[name] == value for name, value in values.items()):
                    return report
            return None

        found = wait_until(
            look, within_seconds, what=lambda: f"{key}: {values}, after {self.report(key)},"
        )
        assert found is not None
        return found

    def end_of(self, key: str, within_seconds: float = PATIENCE_SECONDS) -> dict[str, Any]:
        return self.wait_for(key, within_seconds, phase="exited")

    def _digest(self, key: str) -> str:
        return json.dumps(self.orders.get(key, NO_ORDER), sort_keys=True)


class Site:
    """One launcher with a peer, in a folder of its own."""

    def __init__(self, folder: Path, python: str = sys.executable, **options: Any) -> None:
        self.folder = folder
        self.python = python
        self.data_dir = folder / "data"
        self.work_dir = folder / "work"
        self.log_root = folder / "logs"
        self.work_dir.mkdir(exist_ok=True)
        self.peer = Peer()
        self.options = AgentOptions(**options)
        self.launcher = self.new_launcher()
        self.launched: list[WorkerKey] = []

    def new_launcher(self) -> LocalLauncher:
        return LocalLauncher(self.data_dir, self.python, self.options, gpu_count=0)

    def script(self, name: str, text: str) -> str:
        (self.work_dir / name).write_text(text)
        return name

    def worker(
        self, entrypoint: str, rank: int = 0, world_size: int = 1, **more: Any
    ) -> WorkerLaunch:
        options = more.pop("options", {})
        run = {"entrypoint": entrypoint, "workspace": str(self.work_dir), **more.pop("run", {})}
        values: dict[str, Any] = {
            "key": WorkerKey(TaskId(more.pop("task_id", 7)), 1, rank),
            "node": Node(NodeName(f"node-{rank}"), GroupName("training"), "local", gpus=8),
            "user": UserName("ada"),
            "uid": None,
            "task_name": "digits",
            "chain_id": "chain-7",
            "group": "training",
            "priority": Priority.HIGH,
            "world_size": world_size,
            "spec": {"version": 2, "name": "digits", "spec": run, "options": options},
            "whole_life_state": 0,
            "log_dir": str(self.log_root / "7" / "1"),
            "server_url": self.peer.url,
            "token": TOKEN,
            "nodes": tuple(NodeName(f"node-{i}") for i in range(world_size)),
        }
        return WorkerLaunch(**{**values, **more})

    async def launch(self, entrypoint: str, rank: int = 0, **more: Any) -> str:
        worker = self.worker(entrypoint, rank, **more)
        self.launched.append(worker.key)
        await self.launcher.launch(worker)
        return str(worker.key)

    async def start(self, code: str, **more: Any) -> str:
        """Launch this program, and return when it runs."""
        key = await self.launch(self.script("a.py", code), **more)
        self.peer.order(key, go=True)
        await asyncio.to_thread(self.peer.wait_for, key, phase="running")
        return key

    async def run(self, entrypoint: str, **more: Any) -> dict[str, Any]:
        """Launch, go, and the final report."""
        key = await self.launch(entrypoint, **more)
        self.peer.order(key, go=True)
        return await asyncio.to_thread(self.peer.end_of, key)

    def dir(self, key: str) -> Path:
        return self.data_dir / "workers" / key

    def agent_pid(self, key: str) -> int:
        pid: int = json.loads((self.dir(key) / "agent.pid").read_text())["pid"]
        return pid

    def program_pid(self, key: str) -> int:
        def look() -> int:
            try:
                return json.loads((self.dir(key) / "started").read_text())["pid"] or 0
            except (OSError, ValueError):
                return 0

        return wait_until(look, what="the program's pid")

    def log_bytes(self, rank: int = 0) -> bytes:
        files = sorted((self.log_root / "7" / "1").glob(f"{rank}.*.log"))
        return b"".join(file.read_bytes() for file in files)

    def log_lines(self, rank: int = 0, own: bool = False) -> list[str]:
        """Without prefixes; without the agent's own lines unless `own`."""
        lines = [line[29:] for line in self.log_bytes(rank).decode("utf-8", "replace").splitlines()]
        return lines if own else [line for line in lines if not line.startswith("[hai] ")]

    def marked(self, key: str) -> list[int]:
        marker = processes.marker_of(str(self.dir(key) / "control"))
        return processes.marked(marker)

    async def phase(self, key: str) -> WorkerPhase | None:
        seen = await self.seen(key)
        return seen.phase if seen else None

    async def seen(self, key: str) -> Observation | None:
        return next((o for o in await self.launcher.observe() if str(o.key) == key), None)

    async def until(self, key: str, phase: WorkerPhase) -> Observation:
        seen: Observation | None = None

        async def is_there() -> Observation | None:
            nonlocal seen
            seen = await self.seen(key)
            return seen if seen and seen.phase is phase else None

        found = await async_wait_until(is_there, what=lambda: f"{key} is {seen}: {phase}")
        assert found is not None
        return found

    async def clean_up(self) -> None:
        for key in self.launched:
            await self.launcher.kill(key)
            await self.launcher.forget(key)
        self.peer.stop()


@contextlib.asynccontextmanager
async def site(folder: Path, **options: Any) -> AsyncIterator[Site]:
    """A site that leaves no process behind."""
    place = Site(folder, **options)
    await place.launcher.open()
    try:
        yield place
    finally:
        await place.clean_up()


@contextlib.contextmanager
def searchable_folder() -> Iterator[Path]:
    """A folder that other users can pass, which pytest's own may not be."""
    import shutil
    import tempfile

    path = Path(tempfile.mkdtemp(prefix="hai-test-"))
    path.chmod(0o755)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def public_python() -> str:
    """An interpreter that every user may run; skips the test where there is none."""
    import pytest

    found = (path for path in ("/usr/bin/python3", "/usr/local/bin/python3") if Path(path).exists())
    python = next(found, "")
    if not python:
        pytest.skip("no Python here that other users may run")
    return python


def is_gone(pid: int) -> bool:
    return not processes.is_running(pid)


def environ_of(pid: int) -> dict[str, str]:
    data = Path(f"/proc/{pid}/environ").read_bytes()
    pairs = (item.partition(b"=") for item in data.split(b"\0") if item)
    return {os.fsdecode(name): os.fsdecode(value) for name, _, value in pairs}
