"""Mounts: rows of storage that admins write, and what of them a user's tasks get."""

import hashlib
import re
from dataclasses import replace

from hai.core.identity import User
from hai.core.rowset import RowSet
from hai.core.storage import Storage, check_storage
from hai.errors import InvalidInput
from hai.service.access import require_admin
from hai.service.owners import check_owners, require_owners
from hai.service.rowbook import RowBook
from hai.wording.unknown import no_mount

_FORM = (
    "hai-cli mounts add /ON/THE/NODE /IN/THE/TASK; or a claim's name and --type pvc, NAME:KEY and "
    "--type configmap"
)
_NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")


class MountService:
    """Every change is a line of the event log."""

    def __init__(self, rows: RowBook) -> None:
        self._rows = rows

    async def of(self, user: User) -> list[Storage]:
        """Active rows that name the user; their conditions depend on the task."""
        rows = (await self._rows.fresh()).storage
        return [row for row in rows if row.active and user.owns_as.intersection(row.owners)]

    async def all(self) -> list[Storage]:
        return list((await self._rows.fresh()).storage)

    async def add(self, admin: User, row: Storage, *, dry_run: bool = False) -> Storage:
        """Add a row, or replace the one of its name; without a name it gets one. Of a dry run
        nothing is written."""
        require_admin(admin, "adding mounts")
        check_owners(row.owners)
        is_named = bool(row.name)
        row = named(row)
        check_row(row, is_named=is_named)
        await require_owners(self._rows.store, row.owners)
        if dry_run:
            return row
        data: dict[str, object] = {
            "mount": row.name,
            "source": row.source,
            "mount_path": row.mount_path,
            "owners": list(row.owners),
        }
        await self._rows.put(admin, "mount.put", RowSet(storage=(row,)), data)
        return row

    async def remove(self, admin: User, name: str, *, dry_run: bool = False) -> None:
        """Workers that have it mounted keep it. Of a dry run nothing is written."""
        require_admin(admin, "removing mounts")
        if all(row.name != name for row in (await self._rows.fresh()).storage):
            raise no_mount(name)
        if dry_run:
            return
        event = self._rows.event(admin, "mount.removed", {"mount": name})
        if not await self._rows.store.remove_storage(name, event):
            raise no_mount(name)  # somebody else was quicker
        await self._rows.changed()


def check_row(row: Storage, *, is_named: bool = True) -> None:
    """InvalidInput says what makes no sense. `is_named`: somebody gave it its name."""
    if not _NAME.fullmatch(row.name):
        raise InvalidInput(
            f"{row.name!r} is no name of a mount", hint="small letters, digits and dashes, up to 63"
        )
    try:
        check_storage(row)
    except ValueError as error:
        where = f"mount {row.name}: " if is_named else ""
        raise InvalidInput(f"{where}{error}", hint=_FORM) from None


def named(row: Storage) -> Storage:
    """The row with a name made of its place and its content: the same row, the same name."""
    if row.name:
        return row
    identity = (row.source, row.mount_path, row.owners, row.conditions, row.removes)
    digest = hashlib.sha256(repr(identity).encode("utf-8", "surrogateescape")).hexdigest()[:8]
    words = re.sub(r"[^a-z0-9]+", "-", row.mount_path.lower()).strip("-")[:40].strip("-")
    return replace(row, name=f"{words or 'mount'}-{digest}")
