"""One run: a platform, one attack after the other, and what others noticed of each."""

import resource
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, Generic

import aiohttp
import httpx2

import scripts.hostile_driver.attacks.before_login
import scripts.hostile_driver.attacks.floods
import scripts.hostile_driver.attacks.folders
import scripts.hostile_driver.attacks.pods
import scripts.hostile_driver.attacks.studio
import scripts.hostile_driver.attacks.tokens
import scripts.hostile_driver.attacks.words  # noqa: F401 - all register their attacks
from scripts.chaos_driver.waiting import Violation
from scripts.hostile_driver.attacks import (
    KUBERNETES,
    LOCAL,
    MEMORY_BYTES,
    VICTIM,
    Attack,
    Scene,
    SiteT,
)
from scripts.hostile_driver.bystander import Bystander
from scripts.hostile_driver.memory import watched
from scripts.hostile_driver.site import attacked_cluster, attacked_site, studio_url, users_of

Say = Callable[[str], None]
# An answer that nobody expected is a finding, and the other attacks go on.
_STUMBLES = (httpx2.HTTPError, aiohttp.ClientError, OSError, LookupError, ValueError)


@dataclass(frozen=True, slots=True)
class Environment(Generic[SiteT]):
    """What the platform stands on, and what can be tried there."""

    site: Callable[[], AbstractContextManager[SiteT]]
    attacks: Mapping[str, Attack[SiteT]]


ENVIRONMENTS: dict[str, Environment[Any]] = {
    "local": Environment(attacked_site, LOCAL),
    "kubernetes": Environment(attacked_cluster, KUBERNETES),
}


@dataclass(frozen=True, slots=True)
class Verdict:
    """`trouble`: what was not kept; "" if all was. `said`: what came of it."""

    name: str
    said: str
    seconds: float = 0.0
    grown_bytes: int = 0  # the server's memory, at most, above what it was
    longest_seconds: float = 0.0  # that somebody else waited for an answer
    trouble: str = ""
    is_skipped: bool = False


@dataclass
class Result:
    verdicts: list[Verdict] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)
    folder: str = ""


class _Broken(Exception):
    """Leaves the site's folder for whoever looks into it."""


def run(environment_name: str, only: tuple[str, ...], say: Say) -> Result:
    """Violations are in the result, not raised."""
    result = Result()
    _raise_limit_of_files()
    environment = ENVIRONMENTS[environment_name]
    try:
        with environment.site() as site:
            result.folder = str(site.folder)
            scene = Scene(site, users_of(site))
            for name in only or environment.attacks:
                verdict = attempt(environment.attacks[name], scene)
                result.verdicts.append(verdict)
                say(line_of(verdict))
            result.violations += [f"{v.name}: {v.trouble}" for v in result.verdicts if v.trouble]
            if not result.violations and (left := site.end()):
                result.violations.append(left)
            if result.violations:
                raise _Broken
    except _Broken:
        pass
    return result


def attempt(attack: Attack[SiteT], scene: Scene[SiteT]) -> Verdict:
    """Under the eyes of a bystander, with the server's memory watched."""
    if why := attack.missing(scene.site):
        return Verdict(attack.name, f"skipped: {why}", is_skipped=True)
    [server] = scene.site.servers()
    trouble, said, began = [], "", time.monotonic()
    with (
        watched(server.pid) as growth,
        Bystander(scene.site.url, scene.tokens[VICTIM], studio_url(scene.site)) as bystander,
    ):
        try:
            said = attack.attempt(scene)
        except Violation as error:
            trouble.append(f"{attack.promise}: {error}")
        except _STUMBLES as error:
            trouble.append(f"the attack stumbled: {type(error).__name__}: {error}")
    if complaint := bystander.verdict():
        trouble.append(f"others notice: {complaint}")
    if growth.bytes > MEMORY_BYTES:
        trouble.append(f"the server grew by {growth.bytes / 2**20:.0f} MiB")
    if [one.pid for one in scene.site.servers()] != [server.pid]:
        trouble.append("the server is another process now")
    return Verdict(
        attack.name,
        said,
        time.monotonic() - began,
        growth.bytes,
        bystander.longest_seconds,
        "; ".join(trouble),
    )


def line_of(verdict: Verdict) -> str:
    if verdict.is_skipped:
        return f"{verdict.name:26} {verdict.said}"
    figures = (
        f"{verdict.seconds:5.1f} s  +{verdict.grown_bytes / 2**20:3.0f} MiB  "
        f"others {verdict.longest_seconds:4.1f} s"
    )
    return f"{verdict.name:26} {figures}  {verdict.trouble or verdict.said}"


def _raise_limit_of_files() -> None:
    """Thousands of sockets are held open here."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < 16_384:
        most = hard if hard != resource.RLIM_INFINITY else 16_384
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(16_384, most), hard))
