"""Talks to the server: one thread holds the long poll for orders, another delivers news at once.

Reports and orders are levels, so both threads may repeat or overtake each other: orders are merged
so that none is ever taken back. The server may be away for any length of time.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from urllib.parse import urlsplit

from hai.agent.lease import clock

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from hai.agent.lease import Lease
    from hai.agent.spec import WorkerSpec

POLL_SECONDS = 10.0  # the longest that the server may hold a poll; also the heartbeat
REPLY_SECONDS = 10.0  # for an answer that is due
FIRST_BACKOFF_SECONDS = 0.1
MAX_BACKOFF_SECONDS = 2.0
MAX_EXIT_BACKOFF_SECONDS = 5.0
ORPHAN_SECONDS = 60.0  # of refusals in a row before the platform does not know us any more
_REFUSALS = (401, 403, 404, 410)
_LEVELS = ("go", "suspend", "stop", "over")
_MAX_ANSWER = 4 * 2**20


class SyncRefused(Exception):
    """The server answered, and does not know this worker."""


class Failed(Exception):
    """No usable answer; try again."""


class Standstill(Failed):
    """No order either, but nobody can start the task elsewhere meanwhile: no server runs, or the
    server has heard this worker and cannot reach its database."""


class SyncConnection:
    """One keep-alive connection; used by one thread. `is_alone`: at this address nobody answers
    but the only server's own machine, so that a refused connection means that no server runs."""

    def __init__(self, url: str, token: str, *, is_alone: bool = False) -> None:
        self._is_alone = is_alone
        parts = urlsplit(url)
        self._is_secure = parts.scheme == "https"
        self._host = parts.hostname or "127.0.0.1"
        self._port = parts.port
        self._path = parts.path.rstrip("/") + "/api/v1/agent/sync"
        self._headers = {"Authorization": "Bearer " + token, "Content-Type": "application/json"}
        self._connection: Any = None

    def call(self, report: dict[str, Any], timeout_seconds: float) -> dict[str, Any]:
        """The server's answer. SyncRefused, Failed or Standstill."""
        body = json.dumps(report).encode()
        if "key" in report:  # the server looks at the token before it reads the body
            self._headers["X-HAI-Worker"] = str(report["key"])
        had_connection = self._connection is not None
        try:
            status, data = self._send(body, timeout_seconds)
        except ConnectionError as error:
            self.close()
            if not had_connection:
                raise self._failure(error) from None
            # the server may have closed the idle connection: that is no news about the server
            status, data = self._send_or_fail(body, timeout_seconds)
        except (OSError, ValueError) as error:
            self.close()
            raise self._failure(error) from None
        return _answer(status, data)

    def load(self) -> None:
        """Import what the calls need."""
        _http_client(self._is_secure)

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _send_or_fail(self, body: bytes, timeout_seconds: float) -> tuple[int, bytes]:
        try:
            return self._send(body, timeout_seconds)
        except (OSError, ValueError) as error:
            self.close()
            raise self._failure(error) from None

    def _failure(self, error: Exception) -> Failed:
        is_away = self._is_alone and isinstance(error, ConnectionRefusedError)
        return Standstill(str(error)) if is_away else Failed(str(error))

    def _send(self, body: bytes, timeout_seconds: float) -> tuple[int, bytes]:
        client = _http_client(self._is_secure)
        if self._connection is None:
            kind = client.HTTPSConnection if self._is_secure else client.HTTPConnection
            self._connection = kind(self._host, self._port, timeout=timeout_seconds)
        elif self._connection.sock is not None:
            self._connection.sock.settimeout(timeout_seconds)
        try:
            self._connection.request("POST", self._path, body, self._headers)
            response = self._connection.getresponse()
            data: bytes = response.read(_MAX_ANSWER)
        except client.HTTPException as error:
            if isinstance(error, ConnectionError):
                raise
            raise ValueError(str(error) or type(error).__name__) from None
        return response.status, data


def _http_client(is_secure: bool) -> Any:
    """http.client, which loads ssl (a good part of the agent's start) even for plain http."""
    if not is_secure and "ssl" not in sys.modules and "http.client" not in sys.modules:
        sys.modules["ssl"] = None  # type: ignore[assignment]
        try:
            import http.client
        finally:
            del sys.modules["ssl"]
    import http.client

    return http.client


def _answer(status: int, data: bytes) -> dict[str, Any]:
    if status in _REFUSALS:
        raise SyncRefused(f"HTTP {status}")
    try:
        answer = json.loads(data)
    except ValueError:
        answer = None
    details = answer.get("details") if isinstance(answer, dict) else None
    if isinstance(details, dict) and details.get("heard") is True:
        raise Standstill(f"HTTP {status}")
    if status != 200 or not isinstance(answer, dict) or not isinstance(answer.get("order"), dict):
        raise Failed(f"HTTP {status}")
    return answer


def first_report(spec: WorkerSpec, port: int) -> dict[str, Any]:
    """Before the program: see hai.schema.agent."""
    return {
        "key": spec.key,
        "phase": "ready",
        "exit_code": None,
        "detail": "",
        "acked": False,
        "saved": False,
        "lost": False,
        "address": spec.address,
        "port": port,
        "usage": {},
        "checkpoint": None,
        "requests": [],
    }


class ServerSync:
    """The current report, the merged order, and the threads that exchange them."""

    def __init__(
        self,
        channel: Callable[[], SyncConnection],
        report: dict[str, Any],
        wake: Callable[[], None],
        lease: Lease,
    ) -> None:
        self._channel = channel
        self._wake = wake
        self._lease = lease
        seconds = lease.seconds
        self._poll_seconds = min(POLL_SECONDS, seconds / 4) if seconds > 0 else POLL_SECONDS
        self._changed = threading.Condition()
        self._report = report
        self._version = 1  # of the report, as far as it is news
        self._carried = 0  # highest version that an answered or pending call carries
        self._delivered = 0
        self._order: dict[str, Any] = {}
        self._digest = ""
        self._replies: list[dict[str, Any]] = []
        self._channels: list[dict[str, Any]] = []
        self._refused_since: float | None = None
        self._is_leaving = False
        self.quiet: Callable[[], dict[str, float | None]] | None = None  # of a dev container

    def start(self) -> None:
        self._channel().load()  # once, before there are threads
        threading.Thread(target=self._poll, name="poll", daemon=True).start()
        threading.Thread(target=self._deliver, name="deliver", daemon=True).start()

    def order(self) -> dict[str, Any]:
        """What the server wants; {} before its first word."""
        with self._changed:
            return dict(self._order)

    def take_replies(self) -> list[dict[str, Any]]:
        with self._changed:
            replies, self._replies = self._replies, []
            return replies

    def take_channels(self) -> list[dict[str, Any]]:
        """Channels that the server asks for; it repeats itself until somebody comes."""
        with self._changed:
            channels, self._channels = self._channels, []
            return channels

    def tell(self, **values: Any) -> None:
        """News: goes out at once."""
        with self._changed:
            self._report = dict(self._report, **values)
            self._version += 1
            self._changed.notify_all()

    def note(self, **values: Any) -> None:
        """Figures: go out with the next report."""
        with self._changed:
            self._report = dict(self._report, **values)

    @property
    def is_delivered(self) -> bool:
        """The server has answered to the latest news."""
        with self._changed:
            return self._delivered >= self._version

    def is_orphaned(self) -> bool:
        with self._changed:
            since = self._refused_since
        return since is not None and time.monotonic() - since > ORPHAN_SECONDS

    def may_run(self) -> bool:
        """Whether the server cannot have given the worker up yet."""
        with self._changed:
            return self._lease.is_valid(clock())

    def leave(self) -> None:
        with self._changed:
            self._is_leaving = True
            self._changed.notify_all()

    def _poll(self) -> None:
        channel = self._channel()
        backoff = FIRST_BACKOFF_SECONDS
        while not self._is_leaving:
            done = self._exchange(channel, self._poll_seconds)
            backoff = FIRST_BACKOFF_SECONDS if done else self._rest(backoff)
        channel.close()

    def _deliver(self) -> None:
        channel = self._channel()
        backoff = FIRST_BACKOFF_SECONDS
        while True:
            with self._changed:
                while not self._has_to_call() and not self._is_leaving:
                    self._changed.wait(self._lease.seconds / 10 or None)
                if self._is_leaving:
                    break
            backoff = FIRST_BACKOFF_SECONDS if self._exchange(channel, 0) else self._rest(backoff)
            if not self.may_run():
                self._rest(self._lease.confirm_seconds)
        channel.close()

    def _has_to_call(self) -> bool:
        is_news = self._carried < self._version
        return is_news or self._lease.is_pressing(clock())

    def _exchange(self, channel: SyncConnection, wait_seconds: float) -> bool:
        with self._changed:
            version = self._carried = self._version
            if self._delivered < version:
                wait_seconds = 0.0  # news wants its answer now
            report = dict(self._report, seen=self._digest, wait_seconds=wait_seconds)
        if self.quiet is not None:
            report["quiet"] = self.quiet()
        sent_at = clock()
        try:
            answer = channel.call(report, wait_seconds + REPLY_SECONDS)
        except SyncRefused:
            with self._changed:
                self._refused_since = self._refused_since or time.monotonic()
                self._carried = self._delivered
            self._wake()
            return False
        except Failed as error:
            with self._changed:
                self._refused_since = None
                self._carried = self._delivered
                if isinstance(error, Standstill):
                    self._lease.hold(sent_at)
            return False
        with self._changed:
            self._refused_since = None
            self._delivered = max(self._delivered, version)
            self._take(answer)
            self._lease.answered(sent_at, clock())
        self._wake()
        return True

    def _take(self, answer: dict[str, Any]) -> None:
        order = answer["order"]
        merged = dict(self._order, **order)
        for level in _LEVELS:
            merged[level] = bool(order.get(level)) or bool(self._order.get(level))
        self._order = merged
        self._digest = str(answer.get("digest") or "")
        replies = answer.get("replies")
        self._replies += replies if isinstance(replies, list) else []
        channels = answer.get("channels")
        self._channels = channels if isinstance(channels, list) else self._channels

    def _rest(self, backoff: float) -> float:
        """Wait before the next attempt; news does not shorten it. Returns the next backoff."""
        deadline = time.monotonic() + backoff
        with self._changed:
            most = MAX_BACKOFF_SECONDS
            if self._report.get("phase") == "exited":
                most = MAX_EXIT_BACKOFF_SECONDS
            while not self._is_leaving and time.monotonic() < deadline:
                self._changed.wait(deadline - time.monotonic())
        return min(backoff * 2, most)
