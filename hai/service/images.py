"""Images: what admins offer under a name, and which of them a user may use."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from hai.core.allowance import Allowance
from hai.core.identity import User
from hai.core.images import ENVIRONMENT, Image, image_for, usable
from hai.core.rowset import RowSet
from hai.errors import InvalidInput
from hai.service.access import require_admin
from hai.service.owners import check_owners, require_owners
from hai.service.rowbook import RowBook
from hai.wording.unknown import no_image

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,199}")
_REF = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/:@+-]{0,510}")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_PYTHON = re.compile(r"[A-Za-z0-9_./+-]{0,255}")


@dataclass(frozen=True, slots=True)
class Offered:
    """An image with its owners: users and groups, or "public"; `preferred` is the default."""

    image: Image
    owners: tuple[str, ...]
    preferred: bool = False


class ImageService:
    """Every change is a line of the event log."""

    def __init__(self, rows: RowBook) -> None:
        self._rows = rows

    async def of(self, user: User) -> list[Offered]:
        """What the user may use, the preferred one first."""
        written = await self._rows.fresh()
        mine = usable(written.images, written.amounts(user, self._rows.now()))
        return [
            Offered(image, self._owners(image, written.allowances), place == 0)
            for place, image in enumerate(mine)
        ]

    async def all(self) -> list[Offered]:
        """Everything, by name."""
        written = await self._rows.fresh()
        return [Offered(one, self._owners(one, written.allowances)) for one in written.images]

    async def check(self, user: User, wanted: str) -> Image | None:
        """The image that a task of the user would get; None: the platform offers none.
        InvalidInput says why not and what else."""
        written = await self._rows.written()
        try:
            image = image_for(wanted, written.images, written.amounts(user, self._rows.now()))
        except ValueError as error:
            raise InvalidInput(str(error), hint="hai-cli images lists them") from None
        if image is not None:
            check_image(image, is_row=image.name != image.ref)
        return image

    async def add(
        self,
        admin: User,
        image: Image,
        owners: Sequence[str],
        rank: int,
        *,
        dry_run: bool = False,
    ) -> Offered:
        """Offer an image to these owners, or change it; `rank`: the largest is the default. Owners
        that it has keep it. Of a dry run nothing is written."""
        require_admin(admin, "offering images")
        check_image(image)
        check_owners(owners)
        if not 1 <= rank <= 1_000_000:
            raise InvalidInput(
                f"{rank} is no rank of an image", hint="--rank 1 to 1000000; the largest is default"
            )
        await require_owners(self._rows.store, owners)
        before = self._owners(image, (await self._rows.fresh()).allowances)
        offered = Offered(image, tuple(sorted({*before, *owners})))
        if dry_run:
            return offered
        resource = f"{ENVIRONMENT}{image.name}"
        allowances = tuple(Allowance(owner, resource, rank) for owner in owners)
        await self._rows.put(
            admin,
            "image.put",
            RowSet(images=(image,), allowances=allowances),
            {"image": image.name, "ref": image.ref, "owners": list(owners)},
        )
        return offered

    async def remove(self, admin: User, name: str, *, dry_run: bool = False) -> None:
        """Tasks that run with it go on. Of a dry run nothing is written."""
        require_admin(admin, "removing images")
        if all(one.name != name for one in (await self._rows.fresh()).images):
            raise no_image(name)
        if dry_run:
            return
        event = self._rows.event(admin, "image.removed", {"image": name})
        if not await self._rows.store.remove_image(name, event):
            raise no_image(name)  # somebody else was quicker
        await self._rows.changed()

    @staticmethod
    def _owners(image: Image, allowances: Sequence[Allowance]) -> tuple[str, ...]:
        resource = f"{ENVIRONMENT}{image.name}"
        return tuple(one.owner for one in allowances if one.resource == resource and one.amount > 0)


def check_image(image: Image, *, is_row: bool = True) -> None:
    """InvalidInput for a name, a reference or a variable that makes no sense."""
    if is_row and not _NAME.fullmatch(image.name):
        raise InvalidInput(
            f"{image.name!r} is no name of an image",
            hint="letters, digits, dots, dashes and underscores",
        )
    if not _REF.fullmatch(image.ref):
        raise InvalidInput(
            f"{image.ref!r} is no reference of an image", hint="for example registry/name:tag"
        )
    if not _PYTHON.fullmatch(image.python):
        raise InvalidInput(
            f"{image.python!r} is no path of an interpreter", hint="for example /usr/bin/python3"
        )
    for name, value in image.variables.items():
        if not _VARIABLE.fullmatch(name) or "\0" in value:
            raise InvalidInput(
                f"{name!r} is no environment variable",
                hint="letters, digits and underscores, no digit first: NAME=VALUE",
            )
