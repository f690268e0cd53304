"""Which origin a service has, and whose a request is."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from hai.core.services import ServicePlace, label_of, parse_label
from hai.core.task import Task
from hai.errors import OverQuota
from hai.ports import Clock, DoorStore
from hai.ports.door import PortWish

COOKIE = "hai_door"  # what every cookie of ours begins with, behind __Host- where that can be


@dataclass(frozen=True, slots=True)
class Entrance:
    """Where a request came in. `origin` is what the browser calls it."""

    place: ServicePlace
    origin: str

    @property
    def host(self) -> str:
        """With the port, as in the header."""
        return self.origin.partition("://")[2]


class Addresses(Protocol):
    async def origin_of(self, task: Task, service: str) -> str:
        """OverQuota when none is left."""

    async def known_origin(self, task: Task, service: str) -> str | None:
        """The same, and nothing is taken for it."""

    async def entrance(self, local_port: int, host: str) -> Entrance | None:
        """Of a request that came to this port with this Host header."""

    def cookie_name(self, entrance: Entrance) -> str:
        """Cookies know no ports: those of one host need different names."""


class HostAddresses:
    """<service>-<task>-<user>.<base>"""

    def __init__(self, store: DoorStore, base: str, scheme: str, port: int) -> None:
        self._store = store
        self._base = base
        self._scheme = scheme
        is_usual = port == {"http": 80, "https": 443}[scheme]
        self._behind = f".{base}" if is_usual else f".{base}:{port}"

    async def origin_of(self, task: Task, service: str) -> str:
        return f"{self._scheme}://{label_of(service, task.id, task.user)}{self._behind}"

    async def known_origin(self, task: Task, service: str) -> str | None:
        return await self.origin_of(task, service)

    async def entrance(self, local_port: int, host: str) -> Entrance | None:
        """The label is not compared with the task here: a session is for one origin as a whole."""
        label = host.removesuffix(self._behind)
        place = parse_label(label)
        if label == host or place is None:
            return None
        return Entrance(place, f"{self._scheme}://{host}")

    def cookie_name(self, entrance: Entrance) -> str:
        return f"__Host-{COOKIE}" if self._scheme == "https" else COOKIE


class PortAddresses:
    """<host>:<port>; `listen` says whether this process could begin to listen there."""

    def __init__(
        self,
        store: DoorStore,
        clock: Clock,
        host: str,
        ports: Sequence[int],
        rest_seconds: float,
        listen: Callable[[int], Awaitable[bool]],
    ) -> None:
        self._store = store
        self._clock = clock
        self._host = f"[{host}]" if ":" in host else host
        self._ports = ports
        self._rest_seconds = rest_seconds
        self._listen = listen
        self._places: Mapping[int, ServicePlace] = {}

    async def origin_of(self, task: Task, service: str) -> str:
        place = ServicePlace(task.id, service)
        ports = list(self._ports)
        while True:
            now = self._clock.now()
            wish = PortWish(task.user, place, ports, now, now - self._rest_seconds)
            port = await self._store.take_door_port(wish)
            if port is None:
                raise OverQuota(
                    f"none of the {len(self._ports)} ports for services is free",
                    hint="stop a dev container of yours, or ask an admin to widen [door] ports",
                )
            if await self._listen(port):
                self._places = {**self._places, port: place}
                return self._origin(port)
            ports.remove(port)  # another program of this machine has it

    async def known_origin(self, task: Task, service: str) -> str | None:
        place = ServicePlace(task.id, service)
        known = await self.refresh()
        return next((self._origin(port) for port, one in known.items() if one == place), None)

    async def refresh(self) -> Mapping[int, ServicePlace]:
        """All ports of tasks that have not ended, as they are now."""
        self._places = await self._store.door_ports()
        return self._places

    async def entrance(self, local_port: int, host: str) -> Entrance | None:
        place = self._places.get(local_port) or (await self.refresh()).get(local_port)
        origin = self._origin(local_port)
        if place is None or origin != f"http://{host}":
            return None
        return Entrance(place, origin)

    def cookie_name(self, entrance: Entrance) -> str:
        return f"{COOKIE}_{entrance.origin.rpartition(':')[2]}"

    def _origin(self, port: int) -> str:
        return f"http://{self._host}:{port}"
