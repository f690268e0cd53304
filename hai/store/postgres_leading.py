"""Who leads, in PostgreSQL: the lease, the fence, and the pause that whoever leads keeps."""

from hai.ports import Pause
from hai.store.database import PostgresDatabase, claimed_term
from hai.store.lease import LeaderLease


class PostgresLeading:
    """This part of hai.ports.Store."""

    _database: PostgresDatabase
    _lease: LeaderLease

    async def lead(self) -> int:
        term = await self._lease.hold()
        claimed_term.set(term)
        return term

    @property
    def is_leading(self) -> bool:
        return self._lease.is_sure

    async def pause(self) -> Pause:
        return Pause(*(await self._database.read("pause"))[0])

    async def renew_pause(self, *, is_on: bool) -> Pause:
        return Pause(*(await self._database.write("renew_pause", {"is_on": is_on}))[0])
