"""The rows that admins write, on PostgreSQL: queries/rows.sql."""

from hai.core.allowance import Allowance, Membership
from hai.core.images import Image
from hai.core.rowset import Host, RowSet
from hai.core.storage import Storage
from hai.core.task import EventDraft
from hai.store import row_records
from hai.store.database import PostgresDatabase
from hai.store.rows import events_json


class PostgresRows:
    """hai.ports.rows.Rows; part of the store."""

    _database: PostgresDatabase

    async def put_rows(self, rows: RowSet, event: EventDraft) -> None:
        parameters = {**row_records.parameters(rows), "events": events_json([event])}
        await self._database.write("put_rows", parameters)

    async def memberships(self) -> list[Membership]:
        return [Membership(*row) for row in await self._database.read("memberships")]

    async def allowances(self) -> list[Allowance]:
        found = await self._database.read("allowances")
        return [row_records.allowance_of(row) for row in found]

    async def images(self) -> list[Image]:
        return [row_records.image_of(row) for row in await self._database.read("images")]

    async def storage(self) -> list[Storage]:
        return [row_records.storage_of(row) for row in await self._database.read("storage")]

    async def hosts(self) -> list[Host]:
        return [row_records.host_of(row) for row in await self._database.read("hosts")]

    async def remove_image(self, name: str, event: EventDraft) -> bool:
        return await self._remove("remove_image", event, name=name)

    async def remove_storage(self, name: str, event: EventDraft) -> bool:
        return await self._remove("remove_storage", event, name=name)

    async def remove_allowance(self, owner: str, resource: str, event: EventDraft) -> bool:
        return await self._remove("remove_allowance", event, owner=owner, resource=resource)

    async def remove_membership(self, member: str, group: str, event: EventDraft) -> bool:
        return await self._remove("remove_membership", event, member=member, group=group)

    async def _remove(self, query: str, event: EventDraft, **key: str) -> bool:
        parameters = {**key, "events": events_json([event])}
        return bool(await self._database.write(query, parameters))
