"""Codes, sessions and ports of the door, in memory."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from hai.core.identity import Token, User
from hai.core.services import ServicePlace
from hai.core.task import Task
from hai.core.types import TaskId, UserName
from hai.ports.door import PortWish, Visit
from hai.store.new_tasks import MOST_VISITS


@dataclass(frozen=True, slots=True)
class _Kept:
    visit: Visit
    token: str  # its id
    is_code: bool


@dataclass(frozen=True, slots=True)
class _Port:
    user: UserName
    place: ServicePlace
    used_at: float


class MemoryDoor:
    """This part of hai.ports.Store."""

    _tasks: dict[TaskId, Task]
    _tokens: dict[str, Token]
    _users: dict[UserName, User]

    def __init__(self) -> None:
        super().__init__()
        self._visits: dict[str, _Kept] = {}
        self._door_ports: dict[int, _Port] = {}

    async def add_code(self, code_hash: str, token_hash: str, visit: Visit, now: float) -> bool:
        token = next((one for one in self._tokens.values() if one.hash == token_hash), None)
        kept = self._visits.items()
        self._visits = {key: one for key, one in kept if one.visit.expires_at > now}
        mine = sum(one.visit.user == visit.user for one in self._visits.values())
        if token is None or token.user != visit.user or mine >= MOST_VISITS:
            return False
        self._visits[code_hash] = _Kept(visit, token.id, is_code=True)
        return True

    async def enter(
        self, code_hash: str, session_hash: str, origin: str, now: float, until: float
    ) -> Visit | None:
        kept = self._visits.get(code_hash)
        if kept is None or not kept.is_code or kept.visit.origin != origin:
            return None
        if kept.visit.expires_at <= now or kept.token not in self._tokens:
            return None
        del self._visits[code_hash]
        visit = replace(kept.visit, expires_at=until)
        self._visits[session_hash] = _Kept(visit, kept.token, is_code=False)
        return visit

    async def visit(self, session_hash: str, now: float) -> Visit | None:
        kept = self._visits.get(session_hash)
        if kept is None or kept.is_code or kept.visit.expires_at <= now:
            return None
        token, user = self._tokens.get(kept.token), self._users.get(kept.visit.user)
        is_good = token is not None and token.is_good(now) and user is not None and user.active
        return kept.visit if is_good and self._lives(kept.visit.place) else None

    async def leave(self, session_hash: str) -> bool:
        kept = self._visits.get(session_hash)
        if kept is None or kept.is_code:
            return False
        del self._visits[session_hash]
        return True

    async def take_door_port(self, wish: PortWish) -> int | None:
        free = sorted(
            (port for port in wish.ports if self._is_free(port, wish)),
            key=lambda port: self._preference(port, wish),
        )
        if not free:
            return None
        self._door_ports[free[0]] = _Port(wish.user, wish.place, wish.now)
        return free[0]

    async def door_ports(self) -> Mapping[int, ServicePlace]:
        known = sorted(self._door_ports.items())
        return {port: one.place for port, one in known if self._lives(one.place)}

    def _lives(self, place: ServicePlace) -> bool:
        task = self._tasks.get(place.task_id)
        return task is not None and task.ended_at is None

    def _is_free(self, port: int, wish: PortWish) -> bool:
        one = self._door_ports.get(port)
        if one is None or one.place == wish.place:
            return True
        is_over = not self._lives(one.place)
        return is_over and (one.user == wish.user or one.used_at < wish.before)

    def _preference(self, port: int, wish: PortWish) -> tuple[bool, bool, float, int]:
        one = self._door_ports.get(port)
        if one is None:
            return True, True, 0.0, port
        return one.place != wish.place, one.user != wish.user, one.used_at, port
