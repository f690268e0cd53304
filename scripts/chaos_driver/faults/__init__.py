"""The faults that the driver knows, by the environment that they are injected into.

A fault is an object with a `kind`; `register` puts it into the table of an environment. Another
environment (a Kubernetes cluster, say) brings a site of its own and a module here that registers
what can go wrong with it; the load, the checks and the campaign are the same.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from scripts.chaos_driver.load import Load
from scripts.chaos_driver.site import LocalSite

SiteT = TypeVar("SiteT")


@dataclass(frozen=True, slots=True)
class Scene(Generic[SiteT]):
    """What a fault works on. All chance comes from `chance`, so that a seed repeats a run."""

    site: SiteT
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


def local(
    kind: str, missing: Callable[[LocalSite], str] = _nothing
) -> Callable[[Callable[[Scene[LocalSite]], str]], Callable[[Scene[LocalSite]], str]]:
    """Registers a fault of one machine."""

    def register(
        inject: Callable[[Scene[LocalSite]], str],
    ) -> Callable[[Scene[LocalSite]], str]:
        LOCAL[kind] = Fault(kind, inject, missing)
        return inject

    return register
