"""What a worker finds mounted: a row of `storage`, resolved for one user and one task."""

from dataclasses import dataclass
from enum import StrEnum


class MountKind(StrEnum):
    """Where the files come from."""

    HOST_PATH = "hostPath"
    PVC = "pvc"  # a PersistentVolumeClaim of the tasks' namespace
    CONFIG_MAP = "configmap"  # of the tasks' namespace


class HostPathType(StrEnum):
    """What has to stand at a host path, in the words of Kubernetes; ANY is not checked."""

    ANY = ""
    DIRECTORY = "Directory"
    DIRECTORY_OR_CREATE = "DirectoryOrCreate"
    FILE = "File"
    FILE_OR_CREATE = "FileOrCreate"
    SOCKET = "Socket"


@dataclass(frozen=True, slots=True)
class Mount:
    """One volume and its place. Every text is final: no placeholder is left in it.

    `name` is a DNS label, unique within one worker. `source` is an absolute path on the node for
    HOST_PATH, else the name of the claim or config map. `sub_path` is relative, without "..", empty
    for the whole; for a config map it is the key to mount as a file. `personal`: by a row of the
    user's own, not of everybody's or a group's.
    """

    name: str
    kind: MountKind
    source: str
    mount_path: str
    read_only: bool = False
    host_path_type: HostPathType = HostPathType.ANY
    sub_path: str = ""
    personal: bool = False


HOST_PATH_WORD = MountKind.HOST_PATH.value


def parse_mount_type(word: str) -> tuple[MountKind, HostPathType]:
    """Of the original's `mount_type`: a host path type ("" or "hostPath" for any), pvc or
    configmap. ValueError names the words."""
    if word in ("", HOST_PATH_WORD):
        return MountKind.HOST_PATH, HostPathType.ANY
    if word.lower() in (MountKind.PVC, MountKind.CONFIG_MAP):
        return MountKind(word.lower()), HostPathType.ANY
    if word in set(HostPathType):
        return MountKind.HOST_PATH, HostPathType(word)
    known = [one.value for one in HostPathType if one] + [kind.value for kind in MountKind]
    raise ValueError(f"{word!r} is no type of a mount; there are {', '.join(known)}")


def mount_type(kind: MountKind, host_path_type: HostPathType) -> str:
    """The word for it."""
    return host_path_type.value or kind.value
