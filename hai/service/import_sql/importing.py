"""Imports a document into the store: all of it or nothing, and twice is once."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from hai.core.identity import Token, User
from hai.core.rowset import RowSet
from hai.core.task import EventDraft
from hai.core.types import UserName
from hai.errors import InvalidInput
from hai.ports import Clock, Cluster, EventFilter, EventLog, Identity, Rows
from hai.service.import_sql.merging import Merge
from hai.service.import_sql.reading import Document, Placed, read
from hai.service.import_sql.tables import OldToken
from hai.service.import_sql.text import Source
from hai.service.users import UserService, token_hash

_ACTOR = "import"
_LEAST_SECRET = 16  # characters: a shorter token can be guessed
_LABEL = "of the original platform"


@dataclass(frozen=True, slots=True)
class Imported:
    """What was changed (of a dry run: would be), one line each."""

    changes: tuple[str, ...]
    notes: tuple[str, ...]
    unchanged: int


class ImportStore(Identity, Cluster, Rows, EventLog, Protocol):
    """What is needed of the store here."""


class Importer:
    """Over a store that is open."""

    def __init__(self, store: ImportStore, users: UserService, clock: Clock) -> None:
        self._store = store
        self._users = users
        self._clock = clock

    async def run(self, source: Source, *, dry_run: bool) -> Imported:
        """InvalidInput, with line and column, changes nothing."""
        now = self._clock.now()
        document = read(source, now)
        before = await self._before()
        merged = Merge(document, before, now).merged()
        self._check_users(document)
        users = {user.name: user for user in (*before.users, *merged.rows.users)}
        tokens, notes = await self._tokens(document, users, now)
        changes = merged.changes + tuple(f"add a token of {token.user}" for token in tokens)
        if changes and not dry_run:
            data = {"file": source.name, "changes": len(changes)}
            why = f"{source.name}: {len(changes)} rows"
            event = EventDraft(kind="rows.imported", actor=_ACTOR, at=now, why=why, data=data)
            await self._store.put_rows(replace(merged.rows, tokens=tuple(tokens)), event)
        return Imported(changes, (*document.notes, *notes), merged.unchanged)

    async def _before(self) -> RowSet:
        return RowSet(
            users=tuple(await self._store.users()),
            memberships=tuple(await self._store.memberships()),
            quotas=tuple(await self._store.quotas()),
            allowances=tuple(await self._store.allowances()),
            images=tuple(await self._store.images()),
            storage=tuple(await self._store.storage()),
            hosts=tuple(await self._store.hosts()),
        )

    def _check_users(self, document: Document) -> None:
        for user, row in document.of(User):
            try:
                self._users.checked(user.name, user.role, user.uid)
                self._users.check_uid(user.name, user.uid)
            except InvalidInput as error:
                raise document.source.error(row.at, error.message, error.hint) from None

    async def _tokens(
        self, document: Document, users: dict[UserName, User], now: float
    ) -> tuple[Sequence[Token], Sequence[str]]:
        """New tokens, known by their hash alone; notes on those that are left out."""
        found: dict[str, Token] = {}
        notes: list[str] = []
        for old, row in document.of(OldToken):
            user = users.get(UserName(old.user))
            if user is None:
                raise document.source.error(row.at, f"there is no user {old.user!r}")
            why = _unfit(old, user, now)
            digest = token_hash(old.secret)
            if why:
                notes.append(f"a token of {old.user} is left out: {why}")
            elif await self._is_revoked(user.name, digest[:16]):
                notes.append(
                    f"a token of {old.user} is left out: it was revoked; "
                    f"hai-cli users token {old.user} makes another one"
                )
            elif await self._store.user_of_token(digest, now) is None:
                token = Token(digest[:16], digest, user.name, now, _LABEL, old.expires_at)
                found.setdefault(digest, _owned(found.get(digest), token, document, row))
        return list(found.values()), notes

    async def _is_revoked(self, user: UserName, token_id: str) -> bool:
        """Rows are imported again when some of them have changed: what was taken from somebody
        meanwhile does not come back with them. The event log knows."""
        revoked = EventFilter(user=user, kinds=frozenset({"token.revoked"}))
        after = 0
        while events := await self._store.events(after, where=revoked):
            if any(event.draft.data.get("id") == token_id for event in events):
                return True
            after = events[-1].id
        return False


def _owned(earlier: Token | None, token: Token, document: Document, row: Placed) -> Token:
    if earlier is not None and earlier.user != token.user:
        raise document.source.error(row.at, f"{earlier.user} and {token.user} have the same token")
    return token


def _unfit(old: OldToken, user: User, now: float) -> str:
    if not user.active:
        return "the user is not active"
    if old.expires_at is not None and old.expires_at <= now:
        return "it has expired"
    if len(old.secret) < _LEAST_SECRET:
        return f"it is too short to be safe; hai-cli users token {old.user} makes one"
    return ""
