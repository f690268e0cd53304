"""Whom rows may belong to: users, their groups and teams, and the words for many at once."""

from collections.abc import Collection

from hai.core.identity import EXTERNAL, INTERNAL, PUBLIC
from hai.errors import InvalidInput
from hai.ports import Identity
from hai.wording.unknown import no_owner


def check_owners(owners: Collection[str]) -> None:
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


async def require_owners(store: Identity, owners: Collection[str]) -> None:
    """NotFound for the name of nobody: a typo would be a row that never counts.

    Imports and first rows do not ask: they may come before the users that they name.
    """
    users = await store.users()
    known = {INTERNAL, EXTERNAL, PUBLIC}.union(*(user.owns_as for user in users))
    for owner in sorted(set(owners) - known):
        raise no_owner(owner)
