"""Users and their tokens. A secret is shown once, when it is made, and kept only as a hash."""

import hashlib
import re
import secrets
from dataclasses import dataclass

from hai.core.identity import Role, Token, User
from hai.core.task import EventDraft
from hai.core.types import UserName
from hai.errors import AuthRequired, InvalidInput, NotFound
from hai.ports import Clock, Store
from hai.service.access import require_admin, require_self
from hai.service.views import rfc3339

_LEAST_UID = 1000  # of people, as Debian and most others have it
_NOBODY = 65534
_WORDS = ("all", "me")  # in the API's and the CLI's --user
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,62}")


@dataclass(frozen=True, slots=True)
class NewToken:
    """A stored token with its secret."""

    token: Token
    secret: str


def token_hash(secret: str) -> str:
    """SHA-256 hex; secrets are 256 random bits, so a slow password hash would add nothing."""
    return hashlib.sha256(secret.encode("utf-8", "surrogateescape")).hexdigest()


class UserService:
    """Who may ask."""

    def __init__(self, store: Store, clock: Clock, *, needs_uid: bool) -> None:
        """`needs_uid`: the server runs as root, so a user without a uid would run tasks as root."""
        self._store = store
        self._clock = clock
        self.needs_uid = needs_uid
        self._seen: dict[str, tuple[float, User]] = {}

    async def authenticate(self, secret: str) -> User:
        """The user of this bearer token; AuthRequired if it is unknown, expired or revoked.

        Answers are kept for a second, so that a burst of requests costs one look-up.
        """
        digest = token_hash(secret)
        now = self._clock.now()
        seen = self._seen.get(digest)
        if seen is not None and 0 <= now - seen[0] < 1.0:
            return seen[1]
        user = await self._store.user_of_token(digest, now)
        if user is None:
            self._seen.pop(digest, None)
            raise AuthRequired(
                "the token is unknown, expired or revoked",
                hint="log in again: hai-cli init --url URL",
            )
        if len(self._seen) > 10_000:
            self._seen.clear()
        self._seen[digest] = (now, user)
        return user

    async def users(self) -> list[User]:
        return await self._store.users()

    async def add(
        self, admin: User, name: str, role: Role, uid: int | None
    ) -> tuple[User, NewToken]:
        """A new user with a first token."""
        require_admin(admin, "adding users")
        user = self.checked(name, role, uid)
        self.check_uid(name, uid)
        await self._store.add_user(
            user, self._event("user.added", admin, user.name, user_text(user))
        )
        return user, await self._new_token(admin, user.name, "first", None)

    def check_uid(self, name: str, uid: int | None) -> None:
        """InvalidInput for a system account's: root, the database's. Whoever has those has the
        platform."""
        if self.needs_uid and uid is not None and (uid < _LEAST_UID or uid == _NOBODY):
            raise InvalidInput(
                f"uid {uid} is a system account's",
                hint=f"give {name} the uid of a person: {_LEAST_UID} or more",
            )

    def checked(self, name: str, role: Role, uid: int | None) -> User:
        """A user value whose name and uid make sense here; InvalidInput otherwise."""
        if not _NAME.fullmatch(name):
            raise InvalidInput(
                f"{name!r} is no user name",
                hint="up to 63 letters, digits, dots, dashes and underscores, a letter first",
            )
        if name in _WORDS:
            raise InvalidInput(
                f"{name!r} is no user name", hint="where a user is named it means something else"
            )
        if uid is not None and not 0 <= uid < 2**31:
            raise InvalidInput(f"{uid} is no user id")
        if uid is None and self.needs_uid:
            raise InvalidInput(
                f"the server runs as root: the tasks of {name} need a Unix user",
                hint="give one with --uid",
            )
        return User(UserName(name), role, uid, created_at=self._clock.now())

    async def issue(
        self, asker: User, name: str, label: str, expires_in_seconds: float | None
    ) -> NewToken:
        """A further token for a user."""
        require_self(asker, UserName(name), "a token")
        if await self._store.user(UserName(name)) is None:
            raise NotFound(f"there is no user {name!r}", hint="hai-cli users list names them")
        expires_at = None
        if expires_in_seconds is not None:
            if expires_in_seconds <= 0:
                raise InvalidInput("expires_in_seconds must be positive")
            expires_at = self._clock.now() + expires_in_seconds
        return await self._new_token(asker, UserName(name), label, expires_at)

    async def revoke(self, asker: User, token_id: str) -> None:
        require_admin(asker, "revoking a token")
        why = f"token {token_id}"
        event = self._event("token.revoked", asker, None, why, {"id": token_id})
        if not await self._store.remove_token(token_id, event):
            raise NotFound(
                f"there is no token {token_id!r}",
                hint="its id was told when it was made, and the ledger has it: hai-cli events",
            )
        self._seen.clear()

    async def _new_token(
        self, asker: User, name: UserName, label: str, expires_at: float | None
    ) -> NewToken:
        made = make_token(name, label, self._clock.now(), expires_at)
        data: dict[str, object] = {"id": made.token.id, "label": label}
        event = self._event("token.made", asker, name, token_text(made.token), data)
        await self._store.add_token(made.token, event)
        return made

    def _event(
        self,
        kind: str,
        actor: User,
        user: UserName | None,
        why: str,
        data: dict[str, object] | None = None,
    ) -> EventDraft:
        now = self._clock.now()
        return EventDraft(kind=kind, actor=actor.name, at=now, user=user, why=why, data=data or {})


def user_text(user: User) -> str:
    """Who was added, for the event log."""
    uid = "" if user.uid is None else f", uid {user.uid}"
    return f"{user.name}: {user.role.value}{uid}"


def token_text(token: Token) -> str:
    """Whose token, for the event log: never the secret."""
    until = "" if token.expires_at is None else f", until {rfc3339(token.expires_at)}"
    return f"token {token.id} ({token.label}) of {token.user}{until}"


def make_token(user: UserName, label: str, now: float, expires_at: float | None = None) -> NewToken:
    """A fresh secret of 256 bits and the token to store for it."""
    secret = f"hai_{secrets.token_urlsafe(32)}"
    token = Token(secrets.token_hex(8), token_hash(secret), user, now, label, expires_at)
    return NewToken(token, secret)
