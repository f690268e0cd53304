"""The attacks that the driver knows, by what the platform stands on.

An attack does what a hostile user would, says in a line what came of it, and raises Violation when
it got what it wanted. What must hold for everybody else meanwhile is not its business: the campaign
watches a bystander and the server's memory through every attack.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

from scripts.chaos_driver.pods import KubernetesSite
from scripts.chaos_driver.site import LocalSite

SiteT = TypeVar("SiteT", bound=LocalSite)
SiteT_co = TypeVar("SiteT_co", bound=LocalSite, covariant=True)

ATTACKER = "mallory"
VICTIM = "bob"
OTHER_ADDRESS = "127.0.0.2"  # where attacks come from; everybody else comes from 127.0.0.1
MEMORY_BYTES = 96 * 2**20  # by which the server may grow in any attack


@dataclass(frozen=True, slots=True)
class Scene(Generic[SiteT_co]):
    """What an attack works on: `tokens` are those of attacker and victim."""

    site: SiteT_co
    tokens: Mapping[str, str]


Attempt = Callable[[Scene[SiteT]], str]


@dataclass(frozen=True, slots=True)
class Attack(Generic[SiteT]):
    """`promise`: what must hold. `missing` says why it cannot be tried here."""

    name: str
    promise: str
    attempt: Attempt[SiteT]
    missing: Callable[[SiteT], str]


def _nothing(_: object) -> str:
    return ""


LOCAL: dict[str, Attack[LocalSite]] = {}
KUBERNETES: dict[str, Attack[KubernetesSite]] = {}


def local(
    name: str, promise: str, missing: Callable[[LocalSite], str] = _nothing
) -> Callable[[Attempt[LocalSite]], Attempt[LocalSite]]:
    """Registers an attack on a platform of one machine."""
    return _registers(LOCAL, name, promise, missing)


def in_pods(
    name: str, promise: str
) -> Callable[[Attempt[KubernetesSite]], Attempt[KubernetesSite]]:
    """Registers an attack from inside a pod."""
    return _registers(KUBERNETES, name, promise, _nothing)


def _registers(
    table: dict[str, Attack[SiteT]], name: str, promise: str, missing: Callable[[SiteT], str]
) -> Callable[[Attempt[SiteT]], Attempt[SiteT]]:
    def register(attempt: Attempt[SiteT]) -> Attempt[SiteT]:
        table[name] = Attack(name, promise, attempt, missing)
        return attempt

    return register
