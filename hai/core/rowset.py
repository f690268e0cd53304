"""Everything that admins write as rows, in one value: what is read and written in one go."""

from dataclasses import dataclass, replace

from hai.core.allowance import Allowance, Membership
from hai.core.identity import Token, User
from hai.core.images import Image
from hai.core.node import Node
from hai.core.quota import Quota
from hai.core.storage import Storage


@dataclass(frozen=True, slots=True)
class Host:
    """What a cluster cannot tell of a node: a row of `host`."""

    node: str
    gpus: int = 0
    group: str = ""
    zone: str = ""
    room: str = ""
    flags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RowSet:
    """Each by its key: users, images, storage and hosts by name, tokens by hash, quotas by user,
    group and priority, allowances by owner and resource. `User.groups` is not written."""

    users: tuple[User, ...] = ()
    tokens: tuple[Token, ...] = ()
    memberships: tuple[Membership, ...] = ()
    quotas: tuple[Quota, ...] = ()
    allowances: tuple[Allowance, ...] = ()
    images: tuple[Image, ...] = ()
    storage: tuple[Storage, ...] = ()
    hosts: tuple[Host, ...] = ()


def with_host(node: Node, host: Host | None) -> Node:
    """The node of a cluster with the zone (else the room) that a row tells, where its labels tell
    none. What a cluster tells itself wins."""
    if host is None or node.zone:
        return node
    return replace(node, zone=host.zone or host.room)
