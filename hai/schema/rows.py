"""What is said of images, mounts and allowances on the wire."""

import sys

if sys.version_info >= (3, 12):
    from typing import TypedDict
else:  # pydantic refuses the older one
    from typing_extensions import TypedDict


class ImageView(TypedDict):
    """`owners`: users and groups who may use it; `default`: what the asking user's tasks get."""

    name: str
    ref: str
    python: str
    variables: dict[str, str]
    owners: list[str]
    default: bool


class ImageList(TypedDict):
    images: list[ImageView]


class MountView(TypedDict):
    """`type`: Directory, File, DirectoryOrCreate, FileOrCreate, Socket or hostPath (anything) for
    a path of the node; pvc or configmap, where `source` is a name and `sub_path` a part of it."""

    name: str
    source: str
    mount_path: str
    type: str
    sub_path: str
    owners: list[str]
    conditions: list[str]
    read_only: bool
    removes: bool
    active: bool


class MountList(TypedDict):
    mounts: list[MountView]


class AllowanceView(TypedDict):
    owner: str
    resource: str
    amount: int
    expires_at: str | None


class AllowanceList(TypedDict):
    allowances: list[AllowanceView]
