"""The faults that the driver knows, by the environment that they are injected into.

A fault is an object with a `kind`; `local` and `kubernetes` put it into the table of their
environment. Another environment brings a site of its own and modules here that register what can go
wrong with it; the load, the checks and the campaign are the same.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from scripts.chaos_driver.load import Load
from scripts.chaos_driver.pods import KubernetesSite
from scripts.chaos_driver.site import LocalSite

SiteT = TypeVar("SiteT", bound=LocalSite)
SiteT_co = TypeVar("SiteT_co", bound=LocalSite, covariant=True)


@dataclass(frozen=True, slots=True)
class Scene(Generic[SiteT_co]):
    """What a fault works on. All chance comes from `chance`, so that a seed repeats a run."""

    site: SiteT_co
    load: Load
    chance: random.Random


@dataclass(frozen=True, slots=True)
class Fault(Generic[SiteT]):
    """`inject` breaks something, mends what a person would mend, and says what it did; it raises
    Violation when the platform does not come back. `missing` says why it cannot be done here."""

    kind: str
    inject: Callable[[Scene[SiteT]], str]
    missing: Callable[[SiteT], str]


def _nothing(_: object) -> str:
    return ""


LOCAL: dict[str, Fault[LocalSite]] = {}
KUBERNETES: dict[str, Fault[KubernetesSite]] = {}

Inject = Callable[[Scene[SiteT]], str]


def local(
    kind: str, missing: Callable[[LocalSite], str] = _nothing
) -> Callable[[Inject[LocalSite]], Inject[LocalSite]]:
    """Registers a fault of one machine."""
    return _registers(LOCAL, kind, missing)


def kubernetes(
    kind: str, missing: Callable[[KubernetesSite], str] = _nothing
) -> Callable[[Inject[KubernetesSite]], Inject[KubernetesSite]]:
    """Registers a fault of a cluster, or of the server beside it."""
    return _registers(KUBERNETES, kind, missing)


def _registers(
    table: dict[str, Fault[SiteT]], kind: str, missing: Callable[[SiteT], str]
) -> Callable[[Inject[SiteT]], Inject[SiteT]]:
    def register(inject: Inject[SiteT]) -> Inject[SiteT]:
        table[kind] = Fault(kind, inject, missing)
        return inject

    return register
