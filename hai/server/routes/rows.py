"""What admins write as rows: images, mounts, what users may use besides nodes."""

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from hai.core.allowance import LARGEST, Allowance
from hai.core.identity import PUBLIC
from hai.core.images import Image
from hai.core.mounts import mount_type, parse_mount_type
from hai.core.storage import Storage
from hai.errors import InvalidInput
from hai.schema.rows import (
    AllowanceList,
    AllowanceView,
    ImageList,
    ImageView,
    MountList,
    MountView,
)
from hai.server.deps import ONLY_CHECKED, Caller, DryRun, Served
from hai.service.images import Offered
from hai.service.views import rfc3339

router = APIRouter(tags=["platform"])

_CENTURY = 100 * 365 * 86400


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class NewImage(_Body):
    """`rank`: of several images that a user may use, the largest is the default."""

    name: str
    ref: str
    python: str = ""
    variables: dict[str, str] = Field(default_factory=dict, max_length=1000)
    owners: list[str] = Field(default=[PUBLIC], min_length=1, max_length=1000)
    rank: int = 1


class NewMount(_Body):
    """`name` is made up if it is empty; `type` as in the listing."""

    name: str = ""
    source: str
    mount_path: str
    type: str = ""
    sub_path: str = ""
    owners: list[str] = Field(default=[PUBLIC], min_length=1, max_length=1000)
    conditions: list[str] = Field(default_factory=list, max_length=20)
    read_only: bool = False
    removes: bool = False
    active: bool = True


class NewAllowance(_Body):
    """`owner` is a user, a group, or "public"; amount 0 takes away what a group has."""

    owner: str
    resource: str
    amount: int = Field(default=1, ge=0, le=LARGEST)
    expires_in_seconds: float | None = Field(default=None, gt=0, le=_CENTURY, allow_inf_nan=False)


class NewAllowances(_Body):
    allowances: list[NewAllowance] = Field(max_length=10_000)


@router.get("/images")
async def images(user: Caller, served: Served, *, all: bool = False) -> ImageList:
    """Images that you may use, the default first; with `all` every one by name."""
    found = await (served.images.all() if all else served.images.of(user))
    return {"images": [image_view(one) for one in found]}


@router.put("/images")
@router.put("/dry-run/images", description=ONLY_CHECKED)
async def put_image(body: NewImage, admin: Caller, served: Served, *, dry_run: DryRun) -> ImageView:
    """Offer an image under a name, or change it (admins only). Further owners are added.
    `dry_run=true` only checks it."""
    image = Image(body.name, body.ref, body.variables, body.python)
    offered = await served.images.add(admin, image, body.owners, body.rank, dry_run=dry_run)
    return image_view(offered)


@router.delete("/images/{name}", status_code=204)
@router.delete("/dry-run/images/{name}", description=ONLY_CHECKED, status_code=204)
async def remove_image(name: str, admin: Caller, served: Served, *, dry_run: DryRun) -> None:
    """Offer it no longer (admins only); tasks that run with it go on. `dry_run=true` only checks
    it."""
    await served.images.remove(admin, name, dry_run=dry_run)


@router.get("/mounts")
async def mounts(user: Caller, served: Served, *, all: bool = False) -> MountList:
    """What your tasks find mounted, if the conditions hold; with `all` every row."""
    found = await (served.mounts.all() if all else served.mounts.of(user))
    return {"mounts": [mount_view(row) for row in found]}


@router.put("/mounts")
@router.put("/dry-run/mounts", description=ONLY_CHECKED)
async def put_mount(body: NewMount, admin: Caller, served: Served, *, dry_run: DryRun) -> MountView:
    """Add a row, or replace the one of its name (admins only). `dry_run=true` only checks
    it."""
    try:
        kind, host_path_type = parse_mount_type(body.type)
    except ValueError as error:
        raise InvalidInput(str(error)) from None
    row = Storage(
        name=body.name,
        source=body.source,
        mount_path=body.mount_path,
        kind=kind,
        host_path_type=host_path_type,
        sub_path=body.sub_path,
        owners=tuple(body.owners),
        conditions=tuple(body.conditions),
        read_only=body.read_only,
        removes=body.removes,
        active=body.active,
    )
    return mount_view(await served.mounts.add(admin, row, dry_run=dry_run))


@router.delete("/mounts/{name}", status_code=204)
@router.delete("/dry-run/mounts/{name}", description=ONLY_CHECKED, status_code=204)
async def remove_mount(name: str, admin: Caller, served: Served, *, dry_run: DryRun) -> None:
    """Forget a row (admins only); workers that have it mounted keep it. `dry_run=true` only
    checks it."""
    await served.mounts.remove(admin, name, dry_run=dry_run)


@router.get("/allowances")
async def allowances(asker: Caller, served: Served, user: str | None = None) -> AllowanceList:
    """What counts for one user (without `user`: for you) besides nodes; with `user=all` every
    row (admins only)."""
    if user == "all":
        found = await served.allowances.all(asker)
    else:
        found = await served.allowances.of(asker, user or asker.name)
    return {"allowances": [_allowance_view(row) for row in found]}


@router.put("/allowances")
@router.put("/dry-run/allowances", description=ONLY_CHECKED)
async def put_allowances(
    body: NewAllowances, admin: Caller, served: Served, *, dry_run: DryRun
) -> AllowanceList:
    """Set rows (admins only); others stay. `dry_run=true` only checks it."""
    now = served.clock.now()
    rows = [
        Allowance(
            one.owner,
            one.resource,
            one.amount,
            None if one.expires_in_seconds is None else now + one.expires_in_seconds,
        )
        for one in body.allowances
    ]
    await served.allowances.put(admin, rows, dry_run=dry_run)
    return {"allowances": [_allowance_view(row) for row in rows]}


def image_view(offered: Offered) -> ImageView:
    image = offered.image
    return {
        "name": image.name,
        "ref": image.ref,
        "python": image.python,
        "variables": dict(image.variables),
        "owners": list(offered.owners),
        "default": offered.preferred,
    }


def mount_view(row: Storage) -> MountView:
    return {
        "name": row.name,
        "source": row.source,
        "mount_path": row.mount_path,
        "type": mount_type(row.kind, row.host_path_type),
        "sub_path": row.sub_path,
        "owners": list(row.owners),
        "conditions": list(row.conditions),
        "read_only": row.read_only,
        "removes": row.removes,
        "active": row.active,
    }


def _allowance_view(row: Allowance) -> AllowanceView:
    return {
        "owner": row.owner,
        "resource": row.resource,
        "amount": row.amount,
        "expires_at": None if row.expires_at is None else rfc3339(row.expires_at),
    }
