"""Codes, sessions and ports of the door, on PostgreSQL: queries/door.sql."""

from collections.abc import Mapping
from typing import Any

from hai.core.services import ServicePlace
from hai.core.types import TaskId, UserName
from hai.ports.door import PortWish, Visit
from hai.store import rows
from hai.store.database import PostgresDatabase
from hai.store.new_tasks import MOST_VISITS

_TRIES = 5  # somebody else may take the same port at the same moment


class PostgresDoor:
    """This part of hai.ports.Store."""

    _database: PostgresDatabase

    async def add_code(self, code_hash: str, token_hash: str, visit: Visit, now: float) -> bool:
        parameters = {
            "hash": code_hash,
            "token_hash": token_hash,
            "user": visit.user,
            "task_id": visit.place.task_id,
            "service": visit.place.service,
            "origin": visit.origin,
            "expires_at": rows.timestamp(visit.expires_at),
            "now": rows.timestamp(now),
            "most": MOST_VISITS,
        }
        return bool(await self._database.write("add_door_code", parameters))

    async def enter(
        self, code_hash: str, session_hash: str, origin: str, now: float, until: float
    ) -> Visit | None:
        parameters = {
            "code_hash": code_hash,
            "hash": session_hash,
            "origin": origin,
            "now": rows.timestamp(now),
            "until": rows.timestamp(until),
        }
        found = await self._database.write("enter_door", parameters)
        return _visit(found[0]) if found else None

    async def visit(self, session_hash: str, now: float) -> Visit | None:
        parameters = {"hash": session_hash, "now": rows.timestamp(now)}
        found = await self._database.read("door_visit", parameters)
        return _visit(found[0]) if found else None

    async def leave(self, session_hash: str) -> bool:
        return bool(await self._database.write("leave_door", {"hash": session_hash}))

    async def take_door_port(self, wish: PortWish) -> int | None:
        parameters = {
            "user": wish.user,
            "task_id": wish.place.task_id,
            "service": wish.place.service,
            "ports": list(wish.ports),
            "now": rows.timestamp(wish.now),
            "before": rows.timestamp(wish.before),
        }
        for _ in range(_TRIES):
            found = await self._database.write("take_door_port", parameters)
            if found:
                return int(found[0][0])
        return None

    async def door_ports(self) -> Mapping[int, ServicePlace]:
        found = await self._database.read("door_ports")
        return {port: ServicePlace(TaskId(task_id), name) for port, task_id, name in found}


def _visit(row: tuple[Any, ...]) -> Visit:
    user, task_id, service, origin, expires_at = row
    return Visit(UserName(user), ServicePlace(TaskId(task_id), service), origin, expires_at)
