"""Who may enter which service by the door, and which service has which port."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from hai.core.services import ServicePlace
from hai.core.types import UserName


@dataclass(frozen=True, slots=True)
class Visit:
    """What a code or a cookie stands for: this user, at this service, from this origin."""

    user: UserName
    place: ServicePlace
    origin: str
    expires_at: float


@dataclass(frozen=True, slots=True)
class PortWish:
    """A port of its own for a service of a task of `user`. `before`: one that was another user's
    is taken only if nobody used it since."""

    user: UserName
    place: ServicePlace
    ports: Sequence[int]
    now: float
    before: float


class DoorStore(Protocol):
    """This part of the store. Secrets are known by their SHA-256 hex only. What stands for a visit
    ends with its token, with its user's account, with the task, and at `expires_at`."""

    async def add_code(self, code_hash: str, token_hash: str, visit: Visit, now: float) -> bool:
        """False if there is no such token, or if its user has too many visits already."""

    async def enter(
        self, code_hash: str, session_hash: str, origin: str, now: float, until: float
    ) -> Visit | None:
        """The code becomes a session, once; None if it is unknown, used, late, or of another
        origin. Of all who try it at once one gets it."""

    async def visit(self, session_hash: str, now: float) -> Visit | None: ...

    async def leave(self, session_hash: str) -> bool:
        """False if there was no such session."""

    async def take_door_port(self, wish: PortWish) -> int | None:
        """The port that the service has already, or one of those that are free; None if none is."""

    async def door_ports(self) -> Mapping[int, ServicePlace]:
        """Of tasks that have not ended."""
