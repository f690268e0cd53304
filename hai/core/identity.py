"""Who may ask: users and their tokens. Tokens are known only by their hash."""

from dataclasses import dataclass
from enum import StrEnum

from hai.core.types import UserName


class Role(StrEnum):
    """Admins may act on every task and change users, quotas and nodes."""

    USER = "user"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class User:
    """`uid` is the Unix user that the user's programs run as; None: the server's own."""

    name: UserName
    role: Role = Role.USER
    uid: int | None = None
    active: bool = True
    created_at: float = 0.0


@dataclass(frozen=True, slots=True)
class Token:
    """A bearer token as stored: `hash` is the SHA-256 hex of the secret; the secret is not kept."""

    id: str
    hash: str
    user: UserName
    created_at: float
    label: str = ""
    expires_at: float | None = None
