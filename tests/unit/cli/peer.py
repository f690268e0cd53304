"""A small real HTTP server that answers with the API's documented shapes."""

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    query: dict[str, list[str]]
    headers: dict[str, str]
    body: Any


@dataclass
class Reply:
    """`raw` goes out as it is; `cut` closes the connection before any answer."""

    status: int = 200
    body: Any = None
    raw: bytes | None = None
    headers: dict[str, str] = field(default_factory=dict)
    cut: bool = False


Handler = Callable[[Request], Reply]


class Peer:
    """Answers by (method, path); an entry is a Reply, or a function of the Request."""

    def __init__(self) -> None:
        self.routes: dict[tuple[str, str], Reply | Handler] = {}
        self.requests: list[Request] = []
        peer = self

        class _Handler(BaseHTTPRequestHandler):
            def log_message(self, *_: Any) -> None:
                pass

            def _answer(self) -> None:
                peer.answer(self)

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _answer

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.01}
        )
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(60)

    def on(self, method: str, path: str, reply: Reply | Handler) -> None:
        self.routes[method, path] = reply

    def answer(self, http: BaseHTTPRequestHandler) -> None:
        parts = urlsplit(http.path)
        size = int(http.headers.get("content-length") or 0)
        body = json.loads(http.rfile.read(size)) if size else None
        request = Request(
            str(http.command),
            parts.path,
            parse_qs(parts.query),
            {key.lower(): value for key, value in http.headers.items()},
            body,
        )
        self.requests.append(request)
        found = self.routes.get((request.method, request.path)) or not_found()
        reply = found if isinstance(found, Reply) else found(request)
        if reply.cut:
            http.close_connection = True
            return
        data = reply.raw if reply.raw is not None else json.dumps(reply.body).encode()
        http.send_response(reply.status)
        headers = {"Content-Type": "application/json", "X-Request-Id": "r-1", **reply.headers}
        for key, value in headers.items():
            http.send_header(key, value)
        http.send_header("Content-Length", str(len(data)))
        http.end_headers()
        http.wfile.write(data)


def not_found() -> Reply:
    return error("not_found", 404, "no such task")


def error(code: str, status: int, message: str, hint: str = "look again") -> Reply:
    body = {"code": code, "message": message, "hint": hint, "request_id": "r-1"}
    return Reply(status, body)


def sse(*events: tuple[str, Any, str]) -> Reply:
    """A finished stream of (name, data, id)."""
    text = "".join(
        f"event: {name}\n" + (f"id: {cursor}\n" if cursor else "") + f"data: {json.dumps(data)}\n\n"
        for name, data, cursor in events
    )
    return Reply(raw=text.encode(), headers={"Content-Type": "text/event-stream"})


def task_view(**values: Any) -> dict[str, Any]:
    """A TaskView (hai.schema.views) of a running task."""
    return {
        "schema_version": 1,
        "id": 12,
        "chain_id": "c-12",
        "name": "train.py",
        "user": "alice",
        "group": "training",
        "nodes": 2,
        "priority": "HIGH",
        "state": "running",
        "chain_status": "running",
        "held": False,
        "attempts": 1,
        "suspend_count": 0,
        "whole_life_state": 0,
        "exit_code": None,
        "why": "",
        "reason": None,
        "assigned_nodes": ["n1", "n2"],
        "submitted_at": "2030-01-01T00:00:00Z",
        "started_at": "2030-01-01T00:00:10Z",
        "ended_at": None,
        **values,
    }


def whoami_view(name: str = "alice") -> dict[str, Any]:
    return {
        "user": {
            "name": name,
            "role": "user",
            "uid": 1001,
            "active": True,
            "created_at": "2030-01-01T00:00:00Z",
        },
        "quotas": [
            {
                "user": name,
                "resource": "node-training-HIGH",
                "group": "training",
                "priority": "HIGH",
                "nodes": 4,
                "used": 1,
            }
        ],
        "server_version": "0.1.0",
    }
