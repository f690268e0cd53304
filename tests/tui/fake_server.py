"""A small cluster at one frozen moment, served by a real HTTP server that plays hai-server's part.

What screens look like must not depend on the time of day, so the clock, the nodes and the tasks are
always the same.
"""

import json
import queue
import threading
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.unit.cli.peer import Peer, Reply

NOW = 1_900_000_000.0
DASHBOARD = "/api/v1/dashboard/stream"
_END = object()


def at(seconds: float) -> str:
    """`seconds` from now as RFC 3339."""
    return datetime.fromtimestamp(NOW + seconds, UTC).isoformat().replace("+00:00", "Z")


def task_row(id: int, **values: Any) -> dict[str, Any]:
    """A queued task of alice's, 10 minutes old, unless told otherwise."""
    return {
        "id": id,
        "name": f"train-{id}",
        "user": "alice",
        "group": "training",
        "nodes": 1,
        "priority": "NORMAL",
        "state": "queued",
        "held": False,
        "attempts": 0,
        "suspend_count": 0,
        "exit_code": None,
        "why": "",
        "code": "behind",
        "on": [],
        "submitted_at": at(-600),
        "since": None,
        "ended_at": None,
        **values,
    }


def running(id: int, *nodes: str, **values: Any) -> dict[str, Any]:
    own = {"state": "running", "on": list(nodes), "nodes": len(nodes), "attempts": 1, "code": ""}
    return task_row(id, **{"since": at(-300), **own, **values})


def node_row(name: str, group: str = "training", **values: Any) -> dict[str, Any]:
    return {
        "name": name,
        "group": group,
        "launcher": "hollow",
        "health": "ready",
        "health_why": "",
        "gpus": 8,
        "cpus": 64.0,
        "memory_bytes": 512 * 2**30,
        "leaf": f"leaf-{int(name.rpartition('-')[2]) // 8}",
        "zone": "",
        **values,
    }


def event_row(id: int, kind: str, task_id: int | None, **values: Any) -> dict[str, Any]:
    return {
        "id": id,
        "at": at(-100 + id),
        "kind": kind,
        "actor": "scheduler",
        "task_id": task_id,
        "user": "alice",
        "why": "",
        "data": {},
        **values,
    }


def whole(**values: Any) -> dict[str, Any]:
    """The first piece of a feed; user alice, an admin."""
    nodes = [node_row(f"train-{i:02d}") for i in range(16)]
    nodes[13] |= {"health": "drained", "health_why": "power supply"}
    nodes[14] |= {"health": "suspect", "health_why": "no word for 50 s"}
    nodes += [node_row(f"cpu-{i:02d}", "jupyter_cpu", gpus=0, shared=True) for i in range(4)]
    tasks = [
        running(101, *(f"train-{i:02d}" for i in range(6)), user="bob", name="gpt-7b",
                priority="HIGH", safe_until=at(1200), level="HIGH"),
        running(102, "train-06", "train-07", name="digits", safe_until=at(-60), level="NORMAL"),
        running(103, "train-08", user="carol", name="probe", backfill=True, level="LOW",
                priority="LOW"),
        running(104, "cpu-00", user="carol", name="notebook", group="jupyter_cpu",
                priority="AUTO", level="NORMAL",
                asks={"cpu": 8.0, "memory_bytes": 2**35, "gpus": 0}),
        task_row(105, nodes=8, priority="HIGH", user="bob", name="gpt-13b", code="no_free_nodes",
                 why="waits for 8 nodes: 5 of 16 in training are free",
                 estimate={"earliest": at(1300), "latest": at(2600), "basis": "slices"}),
        task_row(106, name="ablation-1"),
        task_row(107, name="ablation-2"),
        task_row(108, state="suspended", held=True, attempts=2, name="old-run", code="held",
                 why="is suspended until somebody resumes it"),
        task_row(109, state="failed", exit_code=1, ended_at=at(-40), attempts=1, name="typo",
                 why="", code=""),
    ]  # fmt: skip
    return {
        "schema_version": 1,
        "cursor": "e-1",
        "at": at(0),
        "whole": True,
        "more": 0,
        "tasks": tasks,
        "gone": [],
        "events": [
            event_row(1, "task.submitted", 105, actor="bob", user="bob"),
            event_row(2, "node.drained", None, actor="root", why="power supply", user=None),
            event_row(3, "task.suspending", 108, why="its nodes are needed by task 101"),
            event_row(4, "task.failed", 109, actor="gang", data={"exit_code": 1, "attempt": 1}),
        ],
        "server": {"version": "0.1.0", "ticks": 7, "tick_seconds": 0.002, "paused": False},
        "you": {"name": "alice", "role": "admin"},
        "order": {"training": [105, 106, 107]},
        "nodes": nodes,
        "quotas": [
            {"user": "*", "resource": "node-training-HIGH", "group": "training",
             "priority": "HIGH", "nodes": 12},
            {"user": "*", "resource": "node-training-NORMAL", "group": "training",
             "priority": "NORMAL", "nodes": 16},
            {"user": "alice", "resource": "node-training-HIGH", "group": "training",
             "priority": "HIGH", "nodes": 4},
        ],
        "history": {
            "every_seconds": 30.0,
            "busy": {"": [i % 17 for i in range(60)], "training": [i % 16 for i in range(60)],
                     "jupyter_cpu": [1] * 60},
            "waiting": {"": [i // 6 for i in range(60)]},
        },
        "usage": {"train-06": {"cpu_percent": 3200.0, "memory_bytes": 2.0**37,
                               "gpu_percent": 91.0}},
        **values,
    }  # fmt: skip


def piece(**values: Any) -> dict[str, Any]:
    """A later piece: nothing but what is given."""
    base = {"schema_version": 1, "cursor": "e-2", "at": at(0), "whole": False, "more": 0}
    server = {"version": "0.1.0", "ticks": 8, "tick_seconds": 0.002, "paused": False}
    return {**base, "tasks": [], "gone": [], "events": [], "server": server, **values}


def detail(row: dict[str, Any], **values: Any) -> dict[str, Any]:
    """What GET /tasks/ID says of a row: two attempts, the first one suspended."""
    nodes = row["on"] or ["train-06", "train-07"]
    workers = [
        {"rank": rank, "node": node, "state": "running", "exit_code": None, "detail": "",
         "started_at": at(-290), "ended_at": None, "usage": {"cpu_percent": 103.0}}
        for rank, node in enumerate(nodes)
    ]  # fmt: skip
    first = {
        "number": 1, "priority": "NORMAL", "nodes": nodes, "created_at": at(-580),
        "started_at": at(-570), "ended_at": at(-420), "outcome": "suspended-clean",
        "exit_code": None, "why": "its nodes are needed by task 101", "workers": [],
    }  # fmt: skip
    second = {
        "number": 2, "priority": "NORMAL", "nodes": nodes, "created_at": at(-300),
        "started_at": at(-290), "ended_at": None, "outcome": None, "exit_code": None,
        "why": "", "workers": workers,
    }  # fmt: skip
    return {
        **{key: value for key, value in row.items() if key not in ("on", "code", "since")},
        "schema_version": 1,
        "chain_id": "c-1",
        "chain_status": "running",
        "whole_life_state": 0,
        "reason": None,
        "assigned_nodes": row["on"],
        "started_at": at(-570),
        "spec": {"version": 2, "spec": {"entrypoint": "train.py",
                                        "environments": {"WANDB_TOKEN": "hunter2", "LR": "0.1"}}},
        "attempt_list": [first, second],
        **values,
    }  # fmt: skip


class FakeServer(Peer):
    """`first` is told to every new reader of the feed, `push` sends more to those who listen;
    `log` holds the events of every log stream."""

    def __init__(self) -> None:
        super().__init__()
        self.first: list[dict[str, Any]] = [whole()]
        self.log: list[tuple[str, Any]] = []
        self.is_closed = False
        self._feeds: list[queue.Queue[Any]] = []
        self._lock = threading.Lock()
        for row in self.first[0]["tasks"]:
            self.on("GET", f"/api/v1/tasks/{row['id']}", Reply(body=detail(row)))
            events = [event_row(11, "task.submitted", row["id"], actor=row["user"]),
                      event_row(12, "task.running", row["id"], actor="gang")]  # fmt: skip
            self.on("GET", f"/api/v1/tasks/{row['id']}/events", Reply(body={"events": events}))

    def push(self, *pieces: dict[str, Any]) -> None:
        with self._lock:
            for feed in self._feeds:
                for part in pieces:
                    feed.put(part)

    def hang_up(self) -> None:
        """End all feeds that are open now."""
        with self._lock:
            feeds, self._feeds = self._feeds, []
        for feed in feeds:
            feed.put(_END)

    def close(self) -> None:
        self.is_closed = True
        self.hang_up()
        super().close()

    @property
    def readers(self) -> int:
        return len(self._feeds)

    def answer(self, http: BaseHTTPRequestHandler) -> None:
        path = urlsplit(http.path).path
        if path == DASHBOARD and (http.command, path) not in self.routes:
            self._stream(http, self._feed)
        elif path.endswith("/logs"):
            self.asked = parse_qs(urlsplit(http.path).query)
            self._stream(http, self._log)
        else:
            super().answer(http)

    def _stream(
        self, http: BaseHTTPRequestHandler, tell: Callable[[Callable[..., None]], None]
    ) -> None:
        http.send_response(200)
        http.send_header("Content-Type", "text/event-stream")
        http.end_headers()

        def say(name: str, data: Any, cursor: str = "") -> None:
            head = f"id: {cursor}\n" if cursor else ""
            http.wfile.write(f"{head}event: {name}\ndata: {json.dumps(data)}\n\n".encode())
            http.wfile.flush()

        with suppress(BrokenPipeError, ConnectionResetError):
            tell(say)
        http.close_connection = True

    def _feed(self, say: Callable[..., None]) -> None:
        feed: queue.Queue[Any] = queue.Queue()
        with self._lock:
            if self.is_closed:
                return
            self._feeds.append(feed)
        for part in self.first:
            say("dashboard", part, part["cursor"])
        while (part := feed.get()) is not _END:
            say("dashboard", part, part["cursor"])

    def _log(self, say: Callable[..., None]) -> None:
        for name, data in self.log:
            say(name, data)
        say("end", {"state": "running", "exit_code": None, "why": ""})


def log_lines(*texts: str, rank: int = 0, attempt: int = 1) -> tuple[str, Any]:
    """One event of a log stream."""
    lines = [{"attempt": attempt, "rank": rank, "at": at(0), "text": text} for text in texts]
    return "lines", {"lines": lines}
