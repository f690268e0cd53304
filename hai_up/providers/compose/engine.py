"""The engine of this machine and its compose, called as programs."""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hai.errors import HaiError, PlatformError, Unreachable

Json = dict[str, Any]

LEAST_COMPOSE = (1, 28)  # reads files without a version, and knows --ansi
LEAST_ENGINE = (19, 3)
INSTALL = (
    "apt-get install docker-compose-v2 (Ubuntu), docker-compose (Debian) "
    "or docker-compose-plugin (Docker's own packages)"
)
_ELSEWHERE = ("COMPOSE_", "DOCKER_CONTEXT", "DOCKER_TLS", "DOCKER_CERT", "DOCKER_HOST")
_LINES = 8


@dataclass(frozen=True, slots=True)
class Compose:
    """How it is called, and what it says it is."""

    command: tuple[str, ...]
    version: str

    @property
    def is_too_old(self) -> bool:
        return number_of(self.version) < LEAST_COMPOSE


@dataclass(frozen=True, slots=True)
class ComposeEngine:
    """`docker` with one socket."""

    socket: str

    def environment(self) -> dict[str, str]:
        """Without what would make compose look elsewhere than it is told."""
        kept = {k: v for k, v in os.environ.items() if not k.startswith(_ELSEWHERE)}
        return {**kept, "DOCKER_HOST": f"unix://{self.socket}"}

    def docker(self, *words: str, given: str = "", seconds: float | None = None) -> str:
        """What it prints. PlatformError says what it said; Unreachable: there is no engine."""
        done = self.tried(("docker", *words), given, seconds)
        if done.returncode:
            raise self._failure(words[0], done.stderr)
        return done.stdout

    def tried(
        self, command: Sequence[str], given: str = "", seconds: float | None = None
    ) -> "subprocess.CompletedProcess[str]":
        try:
            return subprocess.run(  # noqa: S603 - docker or its compose, no shell
                command,
                input=given,
                capture_output=True,
                text=True,
                errors="replace",
                env=self.environment(),
                timeout=seconds,
                check=False,
            )
        except FileNotFoundError as error:
            raise PlatformError(
                f"there is no program {command[0]} on this machine",
                hint="apt-get install docker.io",
            ) from error
        except subprocess.TimeoutExpired as error:
            raise Unreachable(
                f"the engine at {self.socket} has not answered within {seconds:.0f} s",
                hint="systemctl status docker",
            ) from error

    def _failure(self, what: str, said: str) -> HaiError:
        if "Cannot connect to the Docker daemon" in said:
            return Unreachable(f"no engine answers at {self.socket}", hint="systemctl start docker")
        if "permission denied" in said and self.socket in said:
            return PlatformError(
                f"this account may not use {self.socket}",
                hint="sudo hai-up ..., or add it to the group docker (who is in it can be root)",
            )
        return PlatformError(f"docker {what}: {last_words(said)}", hint="hai-up doctor")

    def version(self, seconds: float | None = None) -> str:
        return self.docker("version", "--format", "{{.Server.Version}}", seconds=seconds).strip()

    def cpus(self) -> int:
        return int(self.docker("info", "--format", "{{.NCPU}}"))

    def bridge(self) -> str:
        """The address of this machine on the engine's first network; "" where it has none."""
        for one in self.inspected("network", ["bridge"]):
            for config in (one.get("IPAM") or {}).get("Config") or ():
                if config.get("Gateway"):
                    return str(config["Gateway"])
        return ""

    def has_image(self, name: str) -> bool:
        done = self.tried(("docker", "image", "inspect", "--format", "{{.Id}}", name))
        if done.returncode and not _is_missing(done.stderr):
            raise self._failure("image inspect", done.stderr)
        return done.returncode == 0

    def inspected(self, kind: str, names: Sequence[str]) -> list[Json]:
        """Those that are there still."""
        if not names:
            return []
        done = self.tried(("docker", kind, "inspect", *names))
        if done.returncode and not _is_missing(done.stderr):
            raise self._failure(f"{kind} inspect", done.stderr)
        found: list[Json] = json.loads(done.stdout or "[]")
        return found

    def labelled(self, kind: str, label: str) -> list[Json]:
        """All containers (or networks, volumes) with a label, or with a value of it."""
        everything = ("--all",) if kind == "container" else ()
        words = (kind, "ls", *everything, "--quiet", "--filter", f"label={label}")
        return self.inspected(kind, self.docker(*words).split())

    def compose(self) -> Compose | None:
        """The plugin, else the program; None without either."""
        candidates = (("docker", "compose"), ("docker-compose",))
        for command in candidates:
            if shutil.which(command[0], path=self.environment().get("PATH")):
                done = self.tried((*command, "version", "--short"))
                version = done.stdout.strip().removeprefix("v")
                if done.returncode == 0 and re.match(r"[0-9]+\.[0-9]", version):
                    return Compose(command, version)
        return None

    def require_compose(self) -> Compose:
        known = self.compose()
        if known is None:
            raise PlatformError("there is no docker compose on this machine", hint=INSTALL)
        if known.is_too_old:
            wanted = ".".join(map(str, LEAST_COMPOSE))
            raise PlatformError(
                f"docker compose is {known.version}, and {wanted} or newer is needed", hint=INSTALL
            )
        return known


@dataclass(frozen=True, slots=True)
class Project:
    """One project of compose: its file and its name."""

    engine: ComposeEngine
    compose: Compose
    name: str
    file: Path

    def words(self, *words: str) -> list[str]:
        given = ("--ansi", "never", "--project-name", self.name, "--file", str(self.file))
        return [*self.compose.command, *given, *words]

    def call(self, *words: str) -> str:
        """PlatformError with what compose said."""
        done = self.engine.tried(self.words(*words))
        if done.returncode:
            said = last_words(done.stderr or done.stdout)
            raise PlatformError(f"docker compose {words[0]}: {said}", hint="hai-up doctor")
        return done.stdout


def _is_missing(said: str) -> bool:
    """In the words of this year's client or of an older one."""
    words = said.lower()
    return "no such" in words or "not found" in words


def number_of(version: str) -> tuple[int, int]:
    """The first two numbers; (0, 0) for what is no version."""
    found = re.match(r"v?([0-9]+)\.([0-9]+)", version)
    return (int(found[1]), int(found[2])) if found else (0, 0)


def last_words(said: str) -> str:
    """For people: the last lines, without blank ones."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    return "; ".join(lines[-_LINES:])[-1000:] or "it said nothing"
