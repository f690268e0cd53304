"""The few calls that hai-up makes to the server's HTTP API."""

from typing import Any

from hai.client.http import HaiClient
from hai.client.profile import Profile
from hai.errors import TimedOut, Unreachable

ACTIVE = ("starting", "running", "suspending", "stopping")
WAITING = ("queued", "suspended")
# For one answer, where something depends on it: a busy machine is no reason to leave tasks behind
# or to take an upgrade back. Commands that only look wait for less.
PATIENT_SECONDS = 60.0


class Api:
    """One server, asked with one token. Every failure is a HaiError: Unreachable, or the server's
    own word."""

    def __init__(self, url: str, token: str = "", *, timeout_seconds: float = 5.0) -> None:
        self.url = url
        # No proxy stands between this machine and itself; who asks tries again itself.
        self._client = HaiClient(Profile(url, token), timeout_seconds=timeout_seconds, direct=True)

    def __enter__(self) -> "Api":
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def readiness(self) -> bool | None:
        """Do the server and its database answer? None: not even the server does."""
        return _is_fine(self._client, "ready")

    def is_ready(self) -> bool:
        return self.readiness() is True

    def whoami(self) -> dict[str, Any]:
        return self._ask("whoami")

    def nodes(self) -> list[dict[str, Any]]:
        nodes: list[dict[str, Any]] = self._ask("nodes")["nodes"]
        return nodes

    def users(self) -> list[dict[str, Any]]:
        users: list[dict[str, Any]] = self._ask("users")["users"]
        return users

    def count(self, *states: str) -> int:
        """Everybody's tasks in these states."""
        return int(self._tasks(states, page_size=1)["total"])

    def running(self, most: int) -> list[str]:
        """Tasks of everybody that hold nodes, for people; `most` of them."""
        rows = self._tasks(ACTIVE, page_size=most)["tasks"]
        return [f"{row['id']} {row['name']} of {row['user']}" for row in rows]

    def _tasks(self, states: tuple[str, ...], page_size: int) -> dict[str, Any]:
        query = {"user": "all", "state": list(states), "page_size": page_size}
        return self._ask("tasks", params=query)

    def stop_all(self) -> tuple[int, int]:
        """Stop tasks of everybody; how many hold nodes and how many wait still."""
        answer = self._ask("stop_all")
        return int(answer["active"]), int(answer["waiting"])

    def go_on(self) -> bool:
        """Start tasks again after `vacate`; False if they were."""
        return bool(self._ask("go_on")["was_paused"])

    def platform(self) -> dict[str, Any]:
        """What keeps it from its work, and what became of its clock."""
        return self._ask("platform")

    def vacate(self) -> int:
        """Suspend every active task and start none for some seconds; how many hold nodes still."""
        return int(self._ask("vacate")["active"])

    def _ask(self, name: str, **more: Any) -> dict[str, Any]:
        try:
            answer: dict[str, Any] = self._client.call(name, **more)
        except (Unreachable, TimedOut) as error:
            if error.__cause__ is None:  # something answers, and not as HAI does
                raise Unreachable(error.message, hint="hai-up logs") from None
            raise Unreachable(
                f"the server at {self.url} does not answer ({type(error.__cause__).__name__})",
                hint="hai-up status",
            ) from error
        return answer


def is_healthy(url: str, *, timeout_seconds: float) -> bool:
    """Whether a server or a Studio answers at this address."""
    with HaiClient(Profile(url), timeout_seconds=timeout_seconds, direct=True) as client:
        return _is_fine(client, "health") is True


def _is_fine(client: HaiClient, name: str) -> bool | None:
    """None: no answer."""
    try:
        return client.status(name) == 200
    except (Unreachable, TimedOut):
        return None
