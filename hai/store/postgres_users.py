"""Users, their tokens and their quotas, on PostgreSQL: queries/users.sql."""

from collections.abc import Sequence

from hai.core.identity import Token, User
from hai.core.quota import Quota
from hai.core.task import EventDraft
from hai.core.types import UserName
from hai.errors import Conflict, NotFound
from hai.store import row_records, rows
from hai.store.database import PostgresDatabase


class PostgresUsers:
    """This part of hai.ports.Store."""

    _database: PostgresDatabase

    async def add_user(self, user: User, event: EventDraft) -> None:
        parameters = {**row_records.user_record(user), "events": rows.events_json([event])}
        if not await self._database.write("add_user", parameters):
            raise Conflict(f"there is a user {user.name} already")

    async def user(self, name: UserName) -> User | None:
        found = await self._database.read("user", {"name": name})
        return row_records.user_of(found[0]) if found else None

    async def users(self) -> list[User]:
        return [row_records.user_of(row) for row in await self._database.read("users")]

    async def add_token(self, token: Token, event: EventDraft) -> None:
        parameters = {
            "id": token.id,
            "hash": token.hash,
            "user": token.user,
            "label": token.label,
            "created_at": rows.timestamp(token.created_at),
            "expires_at": rows.timestamp(token.expires_at),
            "parent": token.parent,
            "events": rows.events_json([event]),
        }
        if await self._database.write("add_token", parameters):
            return
        if await self.user(token.user) is None:
            raise NotFound(f"there is no user {token.user}")
        raise Conflict(f"there is a token {token.id} already, or {token.parent} is gone")

    async def user_of_token(self, token_hash: str, now: float) -> User | None:
        parameters = {"hash": token_hash, "now": rows.timestamp(now)}
        found = await self._database.read("user_of_token", parameters)
        return row_records.user_of(found[0]) if found else None

    async def token_of(self, token_hash: str) -> Token | None:
        found = await self._database.read("token_of", {"hash": token_hash})
        return row_records.token_of(found[0]) if found else None

    async def tokens(self, user: UserName) -> list[Token]:
        found = await self._database.read("tokens", {"user": user})
        return [row_records.token_of(row) for row in found]

    async def remove_token(self, token_id: str, event: EventDraft) -> bool:
        parameters = {"id": token_id, "events": rows.events_json([event])}
        return bool(await self._database.write("remove_token", parameters))

    async def put_quotas(self, quotas: Sequence[Quota], event: EventDraft) -> None:
        last = {(q.user, q.group, q.priority): rows.quota_record(q) for q in quotas}
        parameters = {
            "quotas": rows.json_of(list(last.values())),
            "events": rows.events_json([event]),
        }
        await self._database.write("put_quotas", parameters)

    async def quotas(self) -> list[Quota]:
        return [rows.quota_of(row) for row in await self._database.read("quotas")]
