"""Which machine, which folder, which project; and what is known of them before anything changes."""

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from hai.errors import InvalidInput, PlatformError
from hai_up.api import Api
from hai_up.cluster import secrets
from hai_up.cluster.secrets import PlatformSecrets
from hai_up.compose.kubeconfig import flattened
from hai_up.compose.options import ComposeOptions, compose_options
from hai_up.compose.plan import LABEL, ComposeFacts, ComposePlan, compose_folder, plan_compose
from hai_up.files import os_error, read_text
from hai_up.last import LastPlatform
from hai_up.plan import merged, url_of
from hai_up.providers.compose.engine import ComposeEngine, Project
from hai_up.providers.compose.state import ComposeState

Json = dict[str, Any]

FILE = "docker-compose.yaml"
_FROM_ENVIRONMENT = ("DOCKER_HOST", "HAI_DATABASE_URL", "HAI_BUS_URL")
SERVICE_LABEL, PROJECT_LABEL = "com.docker.compose.service", "com.docker.compose.project"


def with_environment(values: Mapping[str, str]) -> dict[str, str]:
    """config.sh, and what usually stands in the environment."""
    here = {name: os.environ[name] for name in _FROM_ENVIRONMENT if os.environ.get(name)}
    return {**here, **{name: text for name, text in values.items() if text}}


def engine_of(options: ComposeOptions) -> ComposeEngine:
    return ComposeEngine(options.socket)


def project_of(options: ComposeOptions) -> Project:
    engine = engine_of(options)
    file = compose_folder(options.platform_path) / FILE
    return Project(engine, engine.require_compose(), options.project, file)


def facts_of(
    options: ComposeOptions,
    engine: ComposeEngine,
    state: ComposeState | None,
    added: Mapping[str, Any] | None = None,
) -> ComposeFacts:
    """`added`: to an override.toml that is not here any more. What stands in the one that is here
    wins, also where hai-up has made no platform yet: then an admin wrote it."""
    return ComposeFacts(
        socket_gid=_gid_of(options.socket),
        cpus=engine.cpus(),
        bridge=engine.bridge(),
        gpus=machine_gpus(),
        kubeconfig=_kubeconfig_of(options),
        old_settings=merged(added or {}, old_settings(options)),
        settings_before=state.settings if state else {},
        sizes_before=compose_options(state.config).sizes if state else None,
    )


def machine_gpus() -> int:
    """0 where none can be counted; doctor says why."""
    from hai.launcher.docker.gpus import count_gpus

    try:
        return count_gpus()
    except PlatformError:
        return 0


def _gid_of(socket: str) -> int:
    try:
        return Path(socket).stat().st_gid
    except OSError as error:
        raise PlatformError(
            f"no engine's socket at {socket}: {error.strerror}", hint="systemctl start docker"
        ) from error


def _kubeconfig_of(options: ComposeOptions) -> str:
    if options.cluster is None:
        return ""
    return flattened(Path(options.cluster.kubeconfig), options.cluster.context)


def old_settings(options: ComposeOptions) -> Mapping[str, Any]:
    path = compose_folder(options.platform_path) / "override.toml"
    try:
        return tomllib.loads(read_text(path) or "")
    except tomllib.TOMLDecodeError as error:
        raise PlatformError(f"{path}: {error}", hint="correct that line; or remove it") from error


def completed(options: ComposeOptions, known: PlatformSecrets | None) -> PlatformSecrets:
    """Secrets are made once; those of config.sh win."""
    return secrets.with_given(
        known or secrets.made(), options.postgres_password, options.redis_password
    )


def plan_of(options: ComposeOptions, facts: ComposeFacts, known: PlatformSecrets) -> ComposePlan:
    full = replace(options, users=secrets.with_tokens(options.users, known))
    return plan_compose(full, facts, known)


def made_folder(options: ComposeOptions) -> Path:
    """Where hai-up keeps its own. PlatformError where this account may not make it."""
    folder = compose_folder(options.platform_path)
    try:
        folder.mkdir(mode=0o711, parents=True, exist_ok=True)
    except OSError as error:
        raise os_error(f"cannot make {folder}", error) from error
    return folder


@dataclass(frozen=True, slots=True)
class Known:
    """A platform that hai-up has made here."""

    options: ComposeOptions
    state: ComposeState
    folder: Path

    @property
    def url(self) -> str:
        return url_of(self.options.host, self.options.port)

    def api(self, timeout_seconds: float = 5.0) -> Api:
        token = self.state.secrets.admin_token
        return Api(self.url, token, timeout_seconds=timeout_seconds)


def folder_of(last: LastPlatform) -> Path:
    if not last.folder:
        raise InvalidInput("nothing is known of that platform here", hint="hai-up run -c config.sh")
    return Path(last.folder)


def containers_of(options: ComposeOptions, engine: ComposeEngine) -> dict[str, Json]:
    """Those of the project that are ours, by service."""
    found = engine.labelled("container", f"{PROJECT_LABEL}={options.project}")
    ours = [one for one in found if labels_of(one).get(LABEL) == options.platform_path]
    return {labels_of(one)[SERVICE_LABEL]: one for one in ours}


def require_no_other(options: ComposeOptions, engine: ComposeEngine) -> None:
    """InvalidInput where containers or a network of this name are somebody else's."""
    found = engine.labelled("container", f"{PROJECT_LABEL}={options.project}")
    found += engine.inspected("network", [options.project])
    for one in found:
        owner = labels_of(one).get(LABEL, "")
        if owner != options.platform_path:
            whose = f"of the platform in {owner}" if owner else "not hai-up's"
            raise InvalidInput(
                f"{one['Name'].lstrip('/')} is {whose}; nothing was changed",
                hint="another PLATFORM_NAMESPACE in config.sh",
            )


def labels_of(item: Json) -> Mapping[str, str]:
    """Of a container or a network."""
    found: Mapping[str, str] | None = item.get("Labels")
    return found or (item.get("Config") or {}).get("Labels") or {}
