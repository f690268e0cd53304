"""Who has entered: codes that are good once, and the sessions of browsers, known by hashes."""

import secrets
from collections.abc import Sequence
from typing import NamedTuple, Protocol

from hai.core.services import ServicePlace
from hai.core.task import Task
from hai.core.types import UserName
from hai.door.addresses import Entrance
from hai.errors import AuthRequired, OverQuota
from hai.ports import Clock, DoorStore, Identity
from hai.ports.door import Visit
from hai.service.users import token_hash

CODE_SECONDS = 60.0
_KNOWN_SECONDS = 2.0  # that an answer of the store counts: how late an end is noticed
_MOST_KNOWN = 10_000
_MOST_COOKIES = 4  # of our name in one request that are looked at
_LONGEST = 100  # characters of a secret


class VisitStore(Identity, DoorStore, Protocol):
    """What is needed of the store here."""


class _Known(NamedTuple):
    """Looked up at that time of the steady clock."""

    at: float
    visit: Visit


class DoorSessions:
    """Shared by all api processes through the store."""

    def __init__(self, store: VisitStore, clock: Clock, seconds: float) -> None:
        self._store = store
        self._clock = clock
        self._seconds = seconds
        self._known: dict[str, _Known] = {}

    async def code(self, token: str, user: UserName, task: Task, service: str, origin: str) -> str:
        """A code for this user at this service. OverQuota, AuthRequired."""
        code = secrets.token_urlsafe(32)
        now = self._clock.now()
        place = ServicePlace(task.id, service)
        visit = Visit(user, place, origin, now + CODE_SECONDS)
        if await self._store.add_code(token_hash(code), token_hash(token), visit, now):
            return code
        if await self._store.user_of_token(token_hash(token), now) is None:
            raise AuthRequired("the token is unknown, expired or revoked")
        raise OverQuota(
            f"{user} has too many browsers at the door", hint="log out in some, or come later"
        )

    async def enter(self, code: str, entrance: Entrance) -> str | None:
        """The secret of a new session; None if the code does not enter here (any more)."""
        if not 0 < len(code) <= _LONGEST:
            return None
        secret = secrets.token_urlsafe(32)
        now = self._clock.now()
        visit = await self._store.enter(
            token_hash(code), token_hash(secret), entrance.origin, now, now + self._seconds
        )
        return None if visit is None else secret

    async def visit(self, found: Sequence[str], entrance: Entrance) -> Visit | None:
        """What these cookies stand for at this entrance."""
        for secret in found[:_MOST_COOKIES]:
            visit = await self._look_up(secret) if 0 < len(secret) <= _LONGEST else None
            if visit is not None and (visit.origin, visit.place) == (
                entrance.origin,
                entrance.place,
            ):
                return visit
        return None

    async def leave(self, found: Sequence[str]) -> None:
        for secret in found[:_MOST_COOKIES]:
            digest = token_hash(secret)
            self._known.pop(digest, None)
            await self._store.leave(digest)

    async def _look_up(self, secret: str) -> Visit | None:
        digest = token_hash(secret)
        steady = self._clock.steady()
        seen = self._known.get(digest)
        if seen is not None and steady - seen.at < _KNOWN_SECONDS:
            return seen.visit
        visit = await self._store.visit(digest, self._clock.now())
        if visit is None:
            self._known.pop(digest, None)
            return None
        if len(self._known) >= _MOST_KNOWN:
            self._known.clear()
        self._known[digest] = _Known(steady, visit)
        return visit
