"""What users may use besides nodes: images, capabilities, Unix groups, ..."""

from collections.abc import Sequence

from hai.core.allowance import LARGEST, Allowance, check_resource
from hai.core.identity import User
from hai.core.rowset import RowSet
from hai.core.types import UserName
from hai.errors import InvalidInput
from hai.service.access import require_admin, require_self
from hai.service.owners import check_owners, require_owners
from hai.service.rowbook import RowBook
from hai.wording.unknown import no_user


class AllowanceService:
    """Every change is a line of the event log."""

    def __init__(self, rows: RowBook) -> None:
        self._rows = rows

    async def all(self, admin: User) -> list[Allowance]:
        require_admin(admin, "listing what everybody may use")
        return list((await self._rows.fresh()).allowances)

    async def of(self, asker: User, name: str) -> list[Allowance]:
        """What counts for one user now."""
        require_self(asker, UserName(name), "the list of what is allowed")
        user = await self._rows.store.user(UserName(name))
        if user is None:
            raise no_user(name)
        amounts = (await self._rows.fresh()).amounts(user, self._rows.now())
        return [Allowance(name, resource, amounts[resource]) for resource in sorted(amounts)]

    async def put(self, admin: User, rows: Sequence[Allowance], *, dry_run: bool = False) -> None:
        """All are checked before any is written; of a dry run nothing is."""
        require_admin(admin, "changing what users may use")
        for row in rows:
            check_allowance(row)
        await require_owners(self._rows.store, [row.owner for row in rows])
        if dry_run:
            return
        data: dict[str, object] = {f"{row.owner} {row.resource}": row.amount for row in rows}
        await self._rows.put(admin, "quota.set", RowSet(allowances=tuple(rows)), data)


def check_allowance(row: Allowance) -> None:
    """InvalidInput says what makes no sense."""
    check_owners([row.owner])
    try:
        check_resource(row.resource)
    except ValueError as error:
        raise InvalidInput(str(error), hint="for example cap:IPC_LOCK") from None
    if not 0 <= row.amount <= LARGEST:
        raise InvalidInput(
            f"{row.resource}={row.amount} is no amount", hint=f"0 (none) to {LARGEST}"
        )
