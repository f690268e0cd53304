"""Who may ask: users and their tokens. Tokens are known only by their hash."""

from dataclasses import dataclass
from enum import StrEnum

from hai.core.types import UserName

PUBLIC = "public"  # everybody, as an owner of rows
INTERNAL, EXTERNAL = "internal", "external"  # the original's two kinds of users, as owners


class Role(StrEnum):
    """Admins may act on every task and change users, quotas and nodes."""

    USER = "user"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class User:
    """`uid` and `gid` are the Unix user and group that the user's programs run as; None: the
    server's own, and the group with the number of `uid`.

    `team` shares groups and quotas. `groups` are those that rows put the user or the team into, by
    name; a store fills them in.
    """

    name: UserName
    role: Role = Role.USER
    uid: int | None = None
    active: bool = True
    created_at: float = 0.0
    gid: int | None = None
    nick_name: str = ""
    team: str = ""
    groups: tuple[str, ...] = ()

    @property
    def owns_as(self) -> frozenset[str]:
        """Every name under which an owner of a row can mean this user."""
        role = EXTERNAL if EXTERNAL in self.groups else INTERNAL
        return frozenset({PUBLIC, role, self.name, *self.groups, *filter(None, (self.team,))})


@dataclass(frozen=True, slots=True)
class Token:
    """A bearer token as stored: `hash` is the SHA-256 hex of the secret; the secret is not kept.
    `parent` is the id of the token that it was made with, by the same user: it ends with that."""

    id: str
    hash: str
    user: UserName
    created_at: float
    label: str = ""
    expires_at: float | None = None
    parent: str | None = None

    def is_good(self, now: float) -> bool:
        return self.expires_at is None or self.expires_at > now
