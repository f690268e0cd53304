"""Who and where: users, tokens, groups, nodes, quotas; and taking the platform down."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from hai import __version__
from hai.core.identity import Role, Token
from hai.core.types import UserName
from hai.errors import NotFound
from hai.schema.views import (
    NodeChanged,
    NodeList,
    PlatformView,
    QuotaView,
    TokenRow,
    TokenView,
    UserView,
    WhoamiView,
)
from hai.server.deps import ONLY_CHECKED, Bearer, Caller, DryRun, Served
from hai.service.users import NewToken, UserDetails
from hai.service.views import quota_view, rfc3339, user_view

router = APIRouter(tags=["platform"])

_CENTURY = 100 * 365 * 86400


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class UserChange(_Body):
    """What is left out stays. `uid` and `gid`: the Unix user and group that run the user's
    programs; `groups` are the user's own, beside the team's."""

    role: Role | None = None
    active: bool | None = None
    uid: int | None = None
    gid: int | None = None
    nick_name: str | None = Field(default=None, max_length=100)
    team: str | None = None
    groups: tuple[str, ...] | None = Field(default=None, max_length=1000)

    def details(self) -> UserDetails:
        return UserDetails(**{name: getattr(self, name) for name in UserChange.model_fields})


class NewUser(UserChange):
    name: str


class NewTokenBody(_Body):
    label: str = Field(default="", max_length=100)
    expires_in_seconds: float | None = Field(default=None, gt=0, le=_CENTURY, allow_inf_nan=False)


class QuotaRow(_Body):
    """`user` may be "*" for everybody; `resource` is node-<group>-<PRIORITY>."""

    user: str
    resource: str
    nodes: int


class QuotaRows(_Body):
    quotas: list[QuotaRow] = Field(max_length=10_000)


@router.get("/whoami")
async def whoami(user: Caller, served: Served) -> WhoamiView:
    """The user of this token, with quotas and what is used of them."""
    rows = await served.cluster.quotas(user.name)
    return {
        "user": user_view(user),
        "quotas": await served.views.quotas_of(rows, user.name),
        "server_version": __version__,
    }


@router.get("/users")
async def users(_: Caller, served: Served) -> dict[str, list[UserView]]:
    return {"users": [user_view(user) for user in await served.users.users()]}


@router.post("/users", status_code=201)
@router.post("/dry-run/users", description=ONLY_CHECKED)
async def add_user(
    body: NewUser,
    admin: Caller,
    served: Served,
    secret: Bearer,
    response: Response,
    *,
    dry_run: DryRun,
) -> dict[str, Any]:
    """A new user with a first token (admins only). `dry_run=true` only checks it: then the answer
    is 200, and there is no token."""
    wish = (admin, body.name, body.role or Role.USER, body.uid, body.details())
    if dry_run:
        response.status_code = 200
        return {"user": user_view(await served.users.addable(*wish))}
    user, made = await served.users.add(*wish, secret=secret)
    return {"user": user_view(user), "token": _token(made)}


@router.patch("/users/{name}")
@router.patch("/dry-run/users/{name}", description=ONLY_CHECKED)
async def change_user(
    name: str, body: UserChange, admin: Caller, served: Served, *, dry_run: DryRun
) -> dict[str, UserView]:
    """Change what is named (admins only). Whoever is not active can do nothing at all.
    `dry_run=true` only checks it."""
    user = await served.users.change(admin, name, body.details(), dry_run=dry_run)
    return {"user": user_view(user)}


@router.post("/users/{name}/tokens", status_code=201)
async def add_token(
    name: str, body: NewTokenBody, asker: Caller, served: Served, secret: Bearer
) -> TokenView:
    """A further token, for oneself or (admins) for anybody. The secret is shown only here. It ends
    no later than the token that asks, and one's own ends when that is revoked."""
    made = await served.users.issue(asker, name, body.label, body.expires_in_seconds, secret=secret)
    return _token(made)


@router.get("/users/{name}/tokens")
async def tokens(name: str, asker: Caller, served: Served) -> dict[str, list[TokenRow]]:
    """The tokens that are good now, without their secrets: one's own, or (admins) anybody's."""
    found = await served.users.tokens(asker, name)
    return {"tokens": [_token_row(token) for token in found]}


def _token_row(token: Token) -> TokenRow:
    return {
        "id": token.id,
        "user": token.user,
        "label": token.label,
        "created_at": rfc3339(token.created_at),
        "expires_at": None if token.expires_at is None else rfc3339(token.expires_at),
        "parent": token.parent,
    }


def _token(made: NewToken) -> TokenView:
    token = made.token
    return {
        "id": token.id,
        "user": token.user,
        "label": token.label,
        "expires_at": None if token.expires_at is None else rfc3339(token.expires_at),
        "token": made.secret,
    }


@router.delete("/tokens/{token_id}", status_code=204)
async def revoke(token_id: str, asker: Caller, served: Served) -> None:
    """Make a token worthless at once, and what was made with it: one's own, or (admins)
    anybody's."""
    await served.users.revoke(asker, token_id)


@router.get("/groups")
async def groups(_: Caller, served: Served) -> dict[str, list[dict[str, Any]]]:
    found = await served.cluster.groups()
    rows = [
        {"name": group.name, "description": group.description, "nodes": size}
        for group, size in found
    ]
    return {"groups": rows}


@router.get("/nodes")
async def nodes(_: Caller, served: Served) -> NodeList:
    """Every node, its health and who holds it."""
    return await served.views.nodes()


class NodeChange(_Body):
    why: str = Field(default="", max_length=1000)


@router.post("/nodes/{name}/{action}")
async def change_node(
    name: str,
    action: Literal["cordon", "drain", "resume"],
    admin: Caller,
    served: Served,
    body: NodeChange | None = None,
) -> NodeChanged:
    """cordon: no new work; drain: what runs there moves as well; resume: ready again (admins
    only)."""
    verbs = {
        "cordon": served.nodes.cordon,
        "drain": served.nodes.drain,
        "resume": served.nodes.resume,
    }
    leaving = await verbs[action](admin, name, body.why if body else "")
    nodes = (await served.views.nodes())["nodes"]
    node = next((node for node in nodes if node["name"] == name), None)
    if node is None:
        raise NotFound(f"node {name!r} was removed just now", hint="hai-cli nodes lists them")
    return {"node": node, "suspended": [int(task_id) for task_id in leaving]}


@router.get("/quotas")
async def quotas(
    caller: Caller, served: Served, user: Annotated[str | None, Query(max_length=63)] = None
) -> dict[str, list[QuotaView]]:
    """All rows; with `user` those that count for that user. For everybody: reasons name quotas.
    `used` of everybody's rows is what `user`, or else the caller, holds."""
    rows = await served.cluster.quotas(None if user is None else UserName(user))
    return {"quotas": await served.views.quotas(rows, UserName(user) if user else caller.name)}


@router.put("/quotas")
@router.put("/dry-run/quotas", description=ONLY_CHECKED)
async def set_quotas(
    body: QuotaRows, admin: Caller, served: Served, *, dry_run: DryRun
) -> dict[str, list[QuotaView]]:
    """Set rows (admins only); others stay. `dry_run=true` only checks it."""
    rows = [(row.user, row.resource, row.nodes) for row in body.quotas]
    quotas = await served.cluster.set_quotas(admin, rows, dry_run=dry_run)
    return {"quotas": [quota_view(row) for row in quotas]}


@router.post("/admin/vacate")
async def vacate(admin: Caller, served: Served) -> dict[str, int]:
    """Suspend all that runs, and start nothing for some seconds: ask again to go on with it."""
    return {"active": await served.vacating.vacate(admin)}


@router.post("/admin/stop-all")
async def stop_all(admin: Caller, served: Served) -> dict[str, int]:
    """Stop everybody's tasks, some of them at a time, and start nothing for some seconds."""
    active, waiting = await served.vacating.stop_all(admin)
    return {"active": active, "waiting": waiting}


@router.post("/admin/go-on")
async def go_on(admin: Caller, served: Served) -> dict[str, bool]:
    """Start tasks again after the former two."""
    return {"was_paused": await served.vacating.go_on(admin)}


@router.get("/platform")
async def platform(_: Caller, served: Served) -> PlatformView:
    """What keeps the platform from its work, what became of its clock, room for logs."""
    jump = served.last_tick.jump
    told: dict[str, object] | None = None
    if jump is not None:
        told = {"at": rfc3339(jump.at), "seconds": round(jump.seconds, 3)}
    view: PlatformView = {
        "paused_seconds": round(served.last_tick.pause_left(), 1),
        "clock_jump": told,
    }
    room = await served.logs.room()
    if room is not None:
        view["log_disk"] = {"free": room.free, "need": room.need, "why": room.text}
    return view
