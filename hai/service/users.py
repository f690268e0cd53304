"""Users and their tokens. A secret is shown once, when it is made, and kept only as a hash."""

import hashlib
import re
import secrets
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from typing import NamedTuple, Protocol

from hai.core.allowance import Membership
from hai.core.identity import Role, Token, User
from hai.core.rowset import RowSet
from hai.core.task import EventDraft
from hai.core.types import UserName
from hai.errors import AuthRequired, Conflict, InvalidInput, NotFound, OverQuota
from hai.ports import Clock, Identity, Rows
from hai.service.access import require_admin, require_self
from hai.service.views import rfc3339
from hai.wording.unknown import no_user

_LEAST_UID = 1000  # of people, as Debian and most others have it
_NOBODY = 65534
_MOST = 100  # tokens of one user
_LEAST_GID = 100  # of groups for people, as Debian has it
_WORDS = ("all", "me")  # in the API's and the CLI's --user
_FORM = "up to 63 letters, digits, dots, dashes and underscores, a letter first"
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,62}")


@dataclass(frozen=True, slots=True)
class NewToken:
    """A stored token with its secret."""

    token: Token
    secret: str


@dataclass(frozen=True, slots=True)
class UserDetails:
    """What admins may say of a user; None: as it is. `groups` are the user's own alone."""

    role: Role | None = None
    active: bool | None = None
    uid: int | None = None
    gid: int | None = None
    nick_name: str | None = None
    team: str | None = None
    groups: tuple[str, ...] | None = None


def _memberships(user: User, groups: Iterable[str]) -> tuple[Membership, ...]:
    return tuple(Membership(user.name, group) for group in groups)


def token_hash(secret: str) -> str:
    """SHA-256 hex; secrets are 256 random bits, so a slow password hash would add nothing."""
    return hashlib.sha256(secret.encode("utf-8", "surrogateescape")).hexdigest()


class UserStore(Identity, Rows, Protocol):
    """What is needed of the store here."""


class _Authenticated(NamedTuple):
    at: float
    user: User


class UserService:
    """Who may ask."""

    def __init__(self, store: UserStore, clock: Clock, *, needs_uid: bool) -> None:
        """`needs_uid`: the server runs as root, so a user without a uid would run tasks as root."""
        self._store = store
        self._clock = clock
        self.needs_uid = needs_uid
        self._seen: dict[str, _Authenticated] = {}

    async def authenticate(self, secret: str) -> User:
        """The user of this bearer token; AuthRequired if it is unknown, expired or revoked.

        Answers are kept for a second, so that a burst of requests costs one look-up.
        """
        digest = token_hash(secret)
        now = self._clock.now()
        seen = self._seen.get(digest)
        if seen is not None and 0 <= now - seen.at < 1.0:
            return seen.user
        user = await self._store.user_of_token(digest, now)
        if user is None:
            self._seen.pop(digest, None)
            raise AuthRequired(
                "the token is unknown, expired or revoked",
                hint="log in again: hai-cli init --url URL",
            )
        if len(self._seen) > 10_000:
            self._seen.clear()
        self._seen[digest] = _Authenticated(now, user)
        return user

    async def users(self) -> list[User]:
        return await self._store.users()

    async def addable(
        self, admin: User, name: str, role: Role, uid: int | None, more: UserDetails | None = None
    ) -> User:
        """The user that `add` would make. Denied, InvalidInput and Conflict are those of `add`;
        nothing is written."""
        require_admin(admin, "adding users")
        user = self.checked(name, role, uid)
        self.check_uid(name, uid)
        if more is not None:
            user = self._detailed(user, more)
        if await self._store.user(user.name) is not None:
            raise _taken(name)
        return user

    async def add(
        self,
        admin: User,
        name: str,
        role: Role,
        uid: int | None,
        more: UserDetails | None = None,
        *,
        secret: str | None = None,
    ) -> tuple[User, NewToken]:
        """A new user with a first token, which lasts no longer than the one that the admin asks
        with (`secret`)."""
        user = await self.addable(admin, name, role, uid, more)
        asking = await self._asking(secret)
        event = self._event("user.added", admin, user.name, user_text(user))
        try:
            await self._store.add_user(user, event)
        except Conflict:  # somebody else was quicker
            raise _taken(name) from None
        if user.groups:
            why = f"{user.name}: groups {', '.join(user.groups)}"
            event = self._event("user.changed", admin, user.name, why)
            await self._store.put_rows(RowSet(memberships=_memberships(user, user.groups)), event)
        until = None if asking is None else asking.expires_at
        return user, await self._new_token(admin, user.name, "first", until)

    async def require_known(self, name: UserName) -> None:
        """NotFound if nobody has ever had this name: a typo is not an empty answer."""
        await self._known(name)

    async def _known(self, name: str) -> User:
        user = await self._store.user(UserName(name))
        if user is None:
            raise no_user(name)
        return user

    async def change(
        self, admin: User, name: str, more: UserDetails, *, dry_run: bool = False
    ) -> User:
        """What of `more` is not None becomes so; NotFound, Denied or InvalidInput change
        nothing, and neither does a dry run."""
        require_admin(admin, "changing users")
        old = await self._known(name)
        new = self._detailed(old, more)
        self.checked(new.name, new.role, new.uid)
        self.check_uid(new.name, more.uid)
        if new.name == admin.name and (new.role, new.active) != (Role.ADMIN, True):
            raise Conflict("this would leave you without your rights", hint="ask another admin")
        memberships = await self._store.memberships()
        own = {m.group for m in memberships if m.member == name}
        wanted = own if more.groups is None else set(more.groups)
        if dry_run:
            of_team = {m.group for m in memberships if new.team and m.member == new.team}
            return replace(new, groups=tuple(sorted(wanted | of_team)))
        data: dict[str, object] = {
            key: value for key, value in asdict(more).items() if value is not None
        }
        why = f"{new.name}: " + ", ".join(f"{key} {_shown(value)}" for key, value in data.items())
        event = self._event("user.changed", admin, new.name, why, data)
        rows = RowSet(users=(new,), memberships=_memberships(new, sorted(wanted - own)))
        await self._store.put_rows(rows, event)
        for group in sorted(own - wanted):
            await self._store.remove_membership(name, group, event)
        self._seen.clear()
        return await self._store.user(new.name) or new

    def _detailed(self, user: User, more: UserDetails) -> User:
        given = {key: value for key, value in asdict(more).items() if value is not None}
        for word in (*filter(None, (more.team,)), *(more.groups or ())):
            if not _NAME.fullmatch(word):
                raise InvalidInput(
                    f"{word!r} is no name of a {'team' if word == more.team else 'group'}",
                    hint=_FORM,
                )
        least = _LEAST_GID if self.needs_uid else 0
        if more.gid is not None and not least <= more.gid < 2**31:
            raise InvalidInput(
                f"gid {more.gid} is a system group's, or none",
                hint=f"a group of people, {least} to {2**31 - 1}: `id -g {user.name}` says it",
            )
        if more.nick_name is not None and not more.nick_name.isprintable():
            raise InvalidInput(
                "a nick name is one line of text", hint="leave line ends and control characters out"
            )
        return replace(user, **given)

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
                hint=_FORM,
            )
        if name in _WORDS:
            raise InvalidInput(
                f"{name!r} is no user name", hint="where a user is named it means something else"
            )
        if uid is not None and not 0 <= uid < 2**31:
            raise InvalidInput(
                f"{uid} is no user id", hint=f"0 to {2**31 - 1}: `id -u {name}` says it"
            )
        if uid is None and self.needs_uid:
            raise InvalidInput(
                f"the server runs as root: the tasks of {name} need a Unix user",
                hint=f"give one: --uid N, as `id -u {name}` says it on this machine",
            )
        return User(UserName(name), role, uid, created_at=self._clock.now())

    async def _asking(self, secret: str | None) -> Token | None:
        return None if secret is None else await self._store.token_of(token_hash(secret))

    async def issue(
        self,
        asker: User,
        name: str,
        label: str,
        expires_in_seconds: float | None,
        *,
        secret: str | None = None,
    ) -> NewToken:
        """A further token for a user. It never outlives the one that was asked with (`secret`), and
        one's own ends when that is revoked."""
        require_self(asker, UserName(name), "a token")
        await self._known(name)
        now = self._clock.now()
        if sum(token.is_good(now) for token in await self._store.tokens(UserName(name))) >= _MOST:
            raise OverQuota(
                f"{name} has {_MOST} tokens, and no more are allowed",
                hint=f"hai-cli users tokens {name} lists them, hai-cli users revoke ends one",
            )
        asking = await self._asking(secret)
        until = None if asking is None else asking.expires_at
        if expires_in_seconds is not None:
            if expires_in_seconds <= 0:
                raise InvalidInput("expires_in_seconds must be positive")
            if until is not None and now + expires_in_seconds > until:
                raise InvalidInput(
                    f"the token that asks ends at {rfc3339(until)}, and none that it makes may "
                    "last longer",
                    hint="ask for less time, or log in with a token that lasts longer",
                )
            until = now + expires_in_seconds
        parent = asking.id if asking is not None and asking.user == name else None
        return await self._new_token(asker, UserName(name), label, until, parent)

    async def tokens(self, asker: User, name: str) -> list[Token]:
        """A user's tokens that are good now, oldest first: one's own, or (admins) anybody's."""
        require_self(asker, UserName(name), "the list of tokens")
        await self._known(name)
        now = self._clock.now()
        return [token for token in await self._store.tokens(UserName(name)) if token.is_good(now)]

    async def revoke(self, asker: User, token_id: str) -> None:
        """Ends a token, one's own or (admins) anybody's, and what was made with it."""
        mine = {token.id for token in await self._store.tokens(asker.name)}
        if token_id not in mine:
            require_admin(asker, "revoking another user's token")
        why = f"token {token_id}"
        event = self._event("token.revoked", asker, None, why, {"id": token_id})
        if not await self._store.remove_token(token_id, event):
            raise NotFound(
                f"there is no token {token_id!r}",
                hint="hai-cli users tokens NAME lists a user's",
            )
        self._seen.clear()

    async def _new_token(
        self,
        asker: User,
        name: UserName,
        label: str,
        expires_at: float | None,
        parent: str | None = None,
    ) -> NewToken:
        made = make_token(name, label, self._clock.now(), expires_at)
        made = replace(made, token=replace(made.token, parent=parent))
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


def _taken(name: str) -> Conflict:
    return Conflict(
        f"there is a user {name} already",
        hint=f"hai-cli users set {name} changes it, hai-cli users token {name} makes another token",
    )


def _shown(value: object) -> str:
    return " ".join(map(str, value)) if isinstance(value, tuple) else str(value)


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
