"""The rows that a new platform starts with: users, quotas, the default image and mounts. Pure."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hai_up.plan import ALL_LEVELS, OPEN_LEVELS
from hai_up.render import render
from hai_up.userinfo import SeedUser
from hai_up.variables import ExtraMount

ADMIN = "hai-up"  # the user by which hai-up itself asks the API
UID = 10001  # of the platform's image
_DEV_CONTAINERS = 100012810  # 1000 GB, 128 cpus, 10 of them


@dataclass(frozen=True, slots=True, kw_only=True)
class Seed:
    """`users` with their tokens; `sizes`: nodes of each group; `renews_quotas`: those that are
    there are set again, since there are more nodes or fewer."""

    users: tuple[SeedUser, ...]
    root_user: str
    platform_path: str
    sizes: Mapping[str, int]
    jupyter_group: str
    train_image: str
    mounts: tuple[ExtraMount, ...]
    renews_quotas: bool = False


def init_sql(seed: Seed, admin_token: str) -> str:
    """For `hai-server import`."""
    users = [{"name": u.name, "uid": u.uid, "token": u.token} for u in seed.users]
    users.append({"name": ADMIN, "uid": UID, "token": admin_token})
    workspace = f"{seed.platform_path}/workspace/{{user.user_name}}"
    mounts = [
        {"source": workspace, "target": workspace, "kind": "DirectoryOrCreate", "read_only": False}
    ]
    mounts += [
        {"source": m.source, "target": m.target, "kind": m.kind, "read_only": m.read_only}
        for m in seed.mounts
    ]
    return render(
        "init.sql.j2",
        users=users,
        admins=[seed.root_user, ADMIN],
        quotas=_quotas(seed),
        train_image=seed.train_image,
        train_config=json.dumps({"environments": {}}),
        mounts=mounts,
        renews_quotas=seed.renews_quotas,
    )


def _quotas(seed: Seed) -> list[dict[str, Any]]:
    """Everybody may use all nodes up to HIGH, the admin on every level."""
    rows = [
        {"user": user, "resource": f"node-{group}-{level.name}", "amount": count}
        for user, levels in (("public", OPEN_LEVELS), (seed.root_user, ALL_LEVELS))
        for group, count in sorted(seed.sizes.items())
        for level in levels
    ]
    allowances = {
        "node": 1,
        "port": 1,
        "train_environment:hai_base": 1,
        "cap:IPC_LOCK": 1,
        f"jupyter:{seed.jupyter_group}": _DEV_CONTAINERS,
    }
    return rows + [
        {"user": "public", "resource": name, "amount": amount}
        for name, amount in allowances.items()
    ]
