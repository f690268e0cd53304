"""Paths of the API server: built from names, and read back for messages."""

from dataclasses import dataclass
from urllib.parse import quote, unquote

CORE = "v1"  # the group without a name


def path_of(
    group_version: str, resource: str, namespace: str = "", name: str = "", subresource: str = ""
) -> str:
    """Such as path_of("v1", "pods", "research", "a-0", "log"); empty parts are left out."""
    root = "api" if "/" not in group_version else "apis"
    parts = [root, *group_version.split("/")]
    if namespace:
        parts += ["namespaces", namespace]
    parts += [part for part in (resource, name, subresource) if part]
    return "/" + "/".join(quote(part, safe="") for part in parts)


def core(resource: str, namespace: str = "", name: str = "", subresource: str = "") -> str:
    """Of the core group: pods, nodes, secrets, services, events, configmaps, ..."""
    return path_of(CORE, resource, namespace, name, subresource)


@dataclass(frozen=True, slots=True)
class PathTarget:
    """What a path is about; `path` alone where it is no path of a resource."""

    path: str
    group: str = ""
    resource: str = ""
    namespace: str = ""
    name: str = ""
    subresource: str = ""

    @property
    def full_resource(self) -> str:
        """As `kubectl auth can-i` takes it: pods/log, jobs.batch."""
        resource = self.resource + (f".{self.group}" if self.group else "")
        return resource + (f"/{self.subresource}" if self.subresource else "") or self.path

    def __str__(self) -> str:
        words = self.full_resource + (f" {self.name}" if self.name else "")
        return words + (f" in namespace {self.namespace}" if self.namespace else "")


def target_of(path: str) -> PathTarget:
    """The parts of a path; any text is taken."""
    parts = [unquote(part) for part in path.split("?")[0].strip("/").split("/")]
    if parts[0] == "api" and len(parts) > 2:
        group, rest = "", parts[2:]
    elif parts[0] == "apis" and len(parts) > 3:
        group, rest = parts[1], parts[3:]
    else:
        return PathTarget(path)
    namespace = ""
    if rest[0] == "namespaces" and len(rest) > 2 and rest[2] not in ("status", "finalize"):
        namespace, rest = rest[1], rest[2:]
    resource, name, subresource = [*rest, "", "", ""][:3]
    return PathTarget(path, group, resource, namespace, name, subresource)
