"""Services of a task: what listens beside its program, and under which names it is reached."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from hai.core.task import Task
from hai.core.types import TaskId, UserName

JUPYTER, SSH = "jupyter", "ssh"
BUILT_IN = frozenset({JUPYTER, SSH})
MOST = 16  # of one task
# Words that begin with a letter, so that "<service>-<task>-<user>" can be read in one way only.
NAME = re.compile(r"(?=.{1,20}\Z)[a-z][a-z0-9]*(-[a-z][a-z0-9]*)*")
_LABEL = re.compile(r"(?P<service>[a-z][a-z0-9]*(?:-[a-z][a-z0-9]*)*)-(?P<task>[0-9]{1,18})-.+")
_LABEL_LENGTH = 63  # of one part of a host name


class ServiceType(StrEnum):
    """http: in the browser; tcp: by a forwarded port; local: a program without a port."""

    HTTP = "http"
    TCP = "tcp"
    LOCAL = "local"


@dataclass(frozen=True, slots=True)
class Service:
    """`port` None: a local one, or a built-in, which listens on a socket file."""

    name: str
    type: ServiceType = ServiceType.HTTP
    port: int | None = None
    ranks: tuple[int, ...] = (0,)
    startup_script: str = ""
    rewrite_uri: bool = False  # it does not know the prefix /<user>/<task>/<service>


@dataclass(frozen=True, slots=True)
class ServicePlace:
    """One service of one task."""

    task_id: TaskId
    service: str


def services_of(spec: Mapping[str, object]) -> tuple[Service, ...]:
    """Those of a checked run document; the program of a dev container is one of them."""
    written = spec.get("services")
    found = [_service(one) for one in written] if isinstance(written, list) else []
    if spec.get("task_type") == JUPYTER and all(one.name != JUPYTER for one in found):
        found.insert(0, Service(JUPYTER))
    return tuple(found)


def service_named(task: Task, name: str) -> Service | None:
    return next((one for one in services_of(task.spec) if one.name == name), None)


def label_of(service: str, task_id: TaskId, user: UserName) -> str:
    """The part of a host name that no other service has: task ids are given once."""
    head = f"{service}-{task_id}-"
    name = re.sub(r"[^a-z0-9]+", "-", user.lower()).strip("-") or "user"
    return head + name[: _LABEL_LENGTH - len(head)].rstrip("-")


def parse_label(label: str) -> ServicePlace | None:
    """Which service a label may be of. Compare with label_of: the user in it proves nothing."""
    match = _LABEL.fullmatch(label)
    if match is None or len(label) > _LABEL_LENGTH:
        return None
    return ServicePlace(TaskId(int(match["task"])), match["service"])


def _service(one: Mapping[str, object]) -> Service:
    ranks, port = one.get("rank"), one.get("port")
    return Service(
        name=str(one["name"]),
        type=ServiceType(str(one.get("type") or ServiceType.HTTP)),
        port=port if isinstance(port, int) else None,
        ranks=tuple(ranks) if isinstance(ranks, list) else (0,),
        startup_script=str(one.get("startup_script") or ""),
        rewrite_uri=bool(one.get("rewrite_uri")),
    )
