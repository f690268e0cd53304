"""The few calls that hai-up makes to the server's HTTP API."""

from typing import Any

import httpx2

from hai.errors import AuthRequired, PlatformError, Unavailable, Unreachable

ACTIVE = ("starting", "running", "suspending", "stopping")
WAITING = ("queued", "suspended")
# For one answer, where something depends on it: a busy machine is no reason to leave tasks behind
# or to take an upgrade back. Commands that only look wait for less.
PATIENT_SECONDS = 60.0


class Api:
    """One server, asked with one token. Raises Unreachable, AuthRequired, PlatformError."""

    def __init__(self, url: str, token: str = "", *, timeout_seconds: float = 5.0) -> None:
        self.url = url
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        # No proxy stands between this machine and itself.
        self._http = httpx2.Client(
            base_url=url, headers=headers, timeout=timeout_seconds, trust_env=False
        )

    def __enter__(self) -> "Api":
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def readiness(self) -> bool | None:
        """Do the server and its database answer? None: not even the server does."""
        try:
            return self._http.get("/ready").status_code == 200
        except httpx2.HTTPError:
            return None

    def is_ready(self) -> bool:
        return self.readiness() is True

    def whoami(self) -> dict[str, Any]:
        return self._ask("GET", "whoami")

    def nodes(self) -> list[dict[str, Any]]:
        nodes: list[dict[str, Any]] = self._ask("GET", "nodes")["nodes"]
        return nodes

    def count(self, *states: str) -> int:
        """Everybody's tasks in these states."""
        return int(self._tasks(states, page_size=1)["total"])

    def running(self, most: int) -> list[str]:
        """Tasks of everybody that hold nodes, for people; `most` of them."""
        rows = self._tasks(ACTIVE, page_size=most)["tasks"]
        return [f"{row['id']} {row['name']} of {row['user']}" for row in rows]

    def _tasks(self, states: tuple[str, ...], page_size: int) -> dict[str, Any]:
        query = {"user": "all", "state": list(states), "page_size": page_size}
        return self._ask("GET", "tasks", params=query)

    def stop_all(self) -> tuple[int, int]:
        """Stop tasks of everybody; how many hold nodes and how many wait still."""
        answer = self._ask("POST", "admin/stop-all")
        return int(answer["active"]), int(answer["waiting"])

    def go_on(self) -> bool:
        """Start tasks again after `vacate`; False if they were."""
        return bool(self._ask("POST", "admin/go-on")["was_paused"])

    def platform(self) -> dict[str, Any]:
        """What keeps it from its work, and what became of its clock."""
        return self._ask("GET", "platform")

    def vacate(self) -> int:
        """Suspend every active task and start none for some seconds; how many hold nodes still."""
        return int(self._ask("POST", "admin/vacate")["active"])

    def _ask(self, method: str, path: str, **more: Any) -> dict[str, Any]:
        try:
            reply = self._http.request(method, f"/api/v1/{path}", **more)
        except httpx2.HTTPError as error:
            raise Unreachable(
                f"the server at {self.url} does not answer ({type(error).__name__})",
                hint="hai-up status",
            ) from error
        if reply.is_success:
            answer: dict[str, Any] = reply.json()
            return answer
        raise _error_of(reply)


def _error_of(reply: httpx2.Response) -> Exception:
    try:
        body = reply.json()
        message, hint = str(body["message"]), str(body.get("hint", ""))
    except (ValueError, KeyError, TypeError):
        message, hint = f"the server answered {reply.status_code}", "hai-up logs"
    if reply.status_code == 401:
        return AuthRequired(message, hint=hint)
    if reply.status_code in (502, 503):
        return Unavailable(message, hint=hint)
    return PlatformError(message, hint=hint)
