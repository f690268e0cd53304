"""Bring a database up to date: numbered SQL files, forward only, each applied once and remembered
with its checksum. Servers that start together do it one after the other."""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

import psycopg
from psycopg import AsyncConnection

from hai.errors import PlatformError
from hai.store.database import Connection, translated
from hai.store.queries import load_queries

# Checksums under which databases remember earlier texts of a migration: other comments, same SQL.
# No file of a migration changes any more: tests/unit/store/test_migrations.py.
_FORMER = {1: {"12fc47cd914e3be7c27869cb42500c79ab7020f8837c5133dc783547320899d1"}}
_FILE_NAME = re.compile(r"(\d{4})_(\w+)\.sql")


@dataclass(frozen=True, slots=True)
class Migration:
    """`sql` is a script of any number of statements that runs as one transaction."""

    number: int
    name: str
    sql: str

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.sql.encode()).hexdigest()

    def is_recorded_as(self, sha256: str) -> bool:
        """Whether a database with this checksum has had this migration."""
        return sha256 == self.sha256 or sha256 in _FORMER.get(self.number, ())


def load_migrations() -> list[Migration]:
    """The migrations that this release brings, in order."""
    found = []
    for file in files("hai.store").joinpath("migrations").iterdir():
        match = _FILE_NAME.fullmatch(file.name)
        if match:
            found.append(Migration(int(match[1]), match[2], file.read_text("utf-8")))
    return sorted(found, key=lambda migration: migration.number)


async def migrate(
    settings: dict[str, Any], migrations: Sequence[Migration] | None = None
) -> list[Migration]:
    """Apply what is missing and return it; `settings` as of database.connection_settings.

    PlatformError when the database was made by another release than this or its descendants.
    """
    known = load_migrations() if migrations is None else migrations
    if [migration.number for migration in known] != list(range(1, len(known) + 1)):
        raise PlatformError("migrations are not numbered 1, 2, 3, ...", hint="reinstall HAI")
    async with translated(), await AsyncConnection.connect(**settings) as connection:
        queries = load_queries()
        await connection.execute(queries["take_migration_lock"])
        await connection.execute(queries["create_migrations"])
        missing = _missing(known, await _applied(connection))
        for migration in missing:
            await _apply(connection, migration)
        return missing


async def _applied(connection: Connection) -> list[tuple[Any, ...]]:
    cursor = await connection.execute(load_queries()["applied_migrations"])
    return await cursor.fetchall()


def _missing(known: Sequence[Migration], applied: Sequence[tuple[Any, ...]]) -> list[Migration]:
    by_number = {migration.number: migration for migration in known}
    for number, name, sha256 in applied:
        migration = by_number.pop(number, None)
        if migration is None:
            raise PlatformError(
                f"the database is newer than this server: it has migration {number} ({name})",
                hint="upgrade HAI to the release that was used last, or restore an older backup",
            )
        if not migration.is_recorded_as(sha256):
            raise PlatformError(
                f"migration {number} ({name}) is not the one that made this database",
                hint="its file was changed after it was applied: reinstall HAI",
            )
    return list(by_number.values())


async def _apply(connection: Connection, migration: Migration) -> None:
    record = {"number": migration.number, "name": migration.name, "sha256": migration.sha256}
    try:
        async with connection.transaction():
            await connection.execute(migration.sql.encode())
            await connection.execute(load_queries()["record_migration"], record)
    except psycopg.OperationalError:
        raise
    except psycopg.Error as error:
        raise PlatformError(
            f"migration {migration.number} ({migration.name}) failed and was undone: {error}",
            hint="the database is as it was before; report this with the server's log",
        ) from error
