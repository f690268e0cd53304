"""What users may use besides nodes: images, capabilities, Unix groups, ..."""

from collections.abc import Sequence

from hai.core.allowance import LARGEST, Allowance, check_resource
from hai.core.identity import EXTERNAL, INTERNAL, PUBLIC, User
from hai.core.rowset import RowSet
from hai.core.types import UserName
from hai.errors import InvalidInput
from hai.service.access import require_admin, require_self
from hai.service.rowbook import RowBook
from hai.wording.unknown import no_owner, no_user


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

    async def put(self, admin: User, rows: Sequence[Allowance]) -> None:
        """All are checked before any is written."""
        require_admin(admin, "changing what users may use")
        for row in rows:
            check_allowance(row)
        await self._require_owners({row.owner for row in rows})
        data: dict[str, object] = {f"{row.owner} {row.resource}": row.amount for row in rows}
        await self._rows.put(admin, "quota.set", RowSet(allowances=tuple(rows)), data)

    async def _require_owners(self, owners: set[str]) -> None:
        users = await self._rows.store.users()
        known = {INTERNAL, EXTERNAL, PUBLIC}.union(*(user.owns_as for user in users))
        for owner in sorted(owners - known):
            raise no_owner(owner)


def check_owners(owners: Sequence[str]) -> None:
    """InvalidInput unless there are some, each a name that somebody may have."""
    if not owners:
        raise InvalidInput(
            "nobody is named whom this is for", hint="a user or group; public: for everybody"
        )
    for owner in owners:
        if not owner or not owner.isprintable() or len(owner) > 63:
            raise InvalidInput(
                f"{owner!r} is no user and no group",
                hint="hai-cli users list names them; public: for everybody",
            )


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
