"""Between values and the columns of the rows that admins write."""

from hai.core.allowance import Allowance
from hai.core.identity import Role, Token, User
from hai.core.images import Image
from hai.core.mounts import HostPathType, MountKind
from hai.core.rowset import Host, RowSet
from hai.core.storage import Storage
from hai.core.types import UserName
from hai.store.rows import (
    Record,
    Row,
    quota_record,
    seconds_of,
    storable_json_of,
    timestamp,
)


def parameters(rows: RowSet) -> dict[str, str]:
    """Of query `put_rows`, but for its events; the last of several rows with one key counts."""
    kinds: dict[str, dict[object, Record]] = {
        "users": {one.name: user_record(one) for one in rows.users},
        "tokens": {one.hash: token_record(one) for one in rows.tokens},
        "memberships": {
            one: {"member": one.member, "group_name": one.group} for one in rows.memberships
        },
        "quotas": {(q.user, q.group, q.priority): quota_record(q) for q in rows.quotas},
        "allowances": {(one.owner, one.resource): allowance_record(one) for one in rows.allowances},
        "images": {one.name: image_record(one) for one in rows.images},
        "storage": {one.name: storage_record(one) for one in rows.storage},
        "hosts": {one.node: host_record(one) for one in rows.hosts},
    }
    return {name: storable_json_of(list(records.values())) for name, records in kinds.items()}


def user_record(user: User) -> Record:
    return {
        "name": user.name,
        "role": user.role.value,
        "uid": user.uid,
        "active": user.active,
        "created_at": timestamp(user.created_at),
        "gid": user.gid,
        "nick_name": user.nick_name,
        "team": user.team,
    }


def user_of(row: Row) -> User:
    """A row of view users_with_groups."""
    name, role, uid, active, created_at, gid, nick_name, team, groups = row
    return User(
        UserName(name),
        Role(role),
        uid,
        active,
        created_at.timestamp(),
        gid,
        nick_name,
        team,
        tuple(groups),
    )


def token_of(row: Row) -> Token:
    """A row of query `token_of` or `tokens`."""
    id_, digest, user, created_at, label, expires_at, parent = row
    until = None if expires_at is None else expires_at.timestamp()
    return Token(id_, digest, UserName(user), created_at.timestamp(), label, until, parent)


def token_record(token: Token) -> Record:
    return {
        "id": token.id,
        "hash": token.hash,
        "user_name": token.user,
        "label": token.label,
        "created_at": timestamp(token.created_at),
        "expires_at": timestamp(token.expires_at),
    }


def allowance_record(row: Allowance) -> Record:
    return {
        "owner": row.owner,
        "resource": row.resource,
        "amount": row.amount,
        "expires_at": timestamp(row.expires_at),
    }


def allowance_of(row: Row) -> Allowance:
    owner, resource, amount, expires_at = row
    return Allowance(owner, resource, amount, seconds_of(expires_at))


def image_record(image: Image) -> Record:
    return {
        "name": image.name,
        "ref": image.ref,
        "variables": dict(image.variables),
        "python": image.python,
    }


def image_of(row: Row) -> Image:
    name, ref, variables, python = row
    return Image(name, ref, variables, python)


def storage_record(row: Storage) -> Record:
    return {
        "name": row.name,
        "source": row.source,
        "mount_path": row.mount_path,
        "kind": row.kind.value,
        "host_path_type": row.host_path_type.value,
        "sub_path": row.sub_path,
        "owners": list(row.owners),
        "conditions": list(row.conditions),
        "read_only": row.read_only,
        "removes": row.removes,
        "active": row.active,
    }


def storage_of(row: Row) -> Storage:
    name, source, mount_path, kind, host_path_type, sub_path, owners, conditions, *flags = row
    read_only, removes, active = flags
    return Storage(
        name=name,
        source=source,
        mount_path=mount_path,
        kind=MountKind(kind),
        host_path_type=HostPathType(host_path_type),
        sub_path=sub_path,
        owners=tuple(owners),
        conditions=tuple(conditions),
        read_only=read_only,
        removes=removes,
        active=active,
    )


def host_record(host: Host) -> Record:
    return {
        "node": host.node,
        "gpus": host.gpus,
        "group_name": host.group,
        "zone": host.zone,
        "room": host.room,
        "flags": list(host.flags),
    }


def host_of(row: Row) -> Host:
    node, gpus, group, zone, room, flags = row
    return Host(node, gpus, group, zone, room, tuple(flags))
