"""Users and their tokens; part of hai.ports.Store."""

from typing import Protocol

from hai.core.identity import Token, User
from hai.core.task import EventDraft
from hai.core.types import UserName


class Identity(Protocol):
    """Tokens are known by their SHA-256 hash only."""

    async def add_user(self, user: User, event: EventDraft) -> None:
        """Conflict if the name is taken."""

    async def user(self, name: UserName) -> User | None: ...

    async def users(self) -> list[User]: ...

    async def add_token(self, token: Token, event: EventDraft) -> None: ...

    async def user_of_token(self, token_hash: str, now: float) -> User | None:
        """The active user whose unexpired token has this hash."""

    async def token_of(self, token_hash: str) -> Token | None:
        """The token with this hash, also one that has expired."""

    async def tokens(self, user: UserName) -> list[Token]:
        """All of a user's, oldest first."""

    async def remove_token(self, token_id: str, event: EventDraft) -> bool:
        """Removes what was made with it as well. False if there is none. The event tells whose it
        was: " of USER" ends its `why`."""
