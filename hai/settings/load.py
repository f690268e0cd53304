"""All settings: override.toml, then HAI_* environment; built once.

`HAI_SERVER__PORT=8000` sets [server] port. hai-up writes the file; every default works without it.
"""

import os
import tomllib
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

from pydantic import PrivateAttr, ValidationError, model_validator
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from hai.core.containers import GATEWAY
from hai.core.policy import Policy
from hai.core.server_role import ServerRole
from hai.errors import InvalidInput
from hai.settings.docker import DockerSection
from hai.settings.door import DoorSection
from hai.settings.kubernetes import KubernetesSection
from hai.settings.original import SECTIONS, adopted
from hai.settings.sections import (
    AgentSection,
    BusSection,
    ChannelSection,
    JupyterSection,
    LogSection,
    SchedulerSection,
    Section,
    ServerSection,
    StoreSection,
    SuspendSection,
    WorkspaceSection,
)


class Settings(BaseSettings):
    """The whole configuration; immutable."""

    model_config = SettingsConfigDict(
        env_prefix="HAI_", env_nested_delimiter="__", extra="forbid", frozen=True
    )

    server: ServerSection = ServerSection()
    store: StoreSection = StoreSection()
    bus: BusSection = BusSection()
    scheduler: SchedulerSection = SchedulerSection()
    suspend: SuspendSection = SuspendSection()
    agent: AgentSection = AgentSection()
    channels: ChannelSection = ChannelSection()
    logs: LogSection = LogSection()
    jupyter: JupyterSection = JupyterSection()
    workspace: WorkspaceSection = WorkspaceSection()
    kubernetes: KubernetesSection = KubernetesSection()
    docker: DockerSection = DockerSection()
    door: DoorSection = DoorSection()

    _notes: tuple[str, ...] = PrivateAttr(default=())

    @property
    def notes(self) -> tuple[str, ...]:
        """What of the file has no effect."""
        return self._notes

    def policy(self) -> Policy:
        """The planner's, whole."""
        return self.scheduler.policy(self.jupyter.shared_node_group_prefix)

    @property
    def data_dir(self) -> Path:
        return self.server.data_dir.expanduser()

    @property
    def log_dir(self) -> Path:
        return (self.logs.dir or self.data_dir / "logs").expanduser()

    @property
    def workspace_dir(self) -> Path:
        return (self.workspace.dir or self.data_dir / "workspace").expanduser()

    @property
    def server_url(self) -> str:
        return self.server.url or f"http://{self.server.host}:{self.server.port}"

    @property
    def container_url(self) -> str:
        """Where containers of [docker] find the server; {gateway} stands for this machine."""
        port = urlsplit(self.server.url).port if self.server.url else None
        return self.docker.server_url or f"http://{GATEWAY}:{port or self.server.port}"

    @model_validator(mode="after")
    def _reachable(self) -> Self:
        """From a network of its own, a container sees this machine, and not its loopback."""
        docker, host = self.docker, self.server.host
        is_own = docker.is_enabled and docker.network == "own" and not docker.server_url
        if is_own and self.server.role.serves and _is_loopback(host):
            raise ValueError(
                f"[server] host is {host}, which containers on networks of their own cannot reach: "
                'set it to 0.0.0.0, or [docker] server_url, or [docker] network = "host"'
            )
        return self

    @model_validator(mode="after")
    def _fit_the_role(self) -> Self:
        """Several processes need a way to each other that one process does not."""
        role = self.server.role
        if role is ServerRole.ALL:
            return self
        for name, value in (("[bus] url", self.bus.url), ("[store] url", self.store.url)):
            text = value.get_secret_value()
            if not text or text == "memory:":
                raise ValueError(f"{name} is needed with the role {role}: processes share it")
        if role is ServerRole.CONTROL and not self.server.url:
            raise ValueError("[server] url is needed with the role control: agents go there")
        return self


def _is_loopback(host: str) -> bool:
    return host in ("localhost", "::1") or host.startswith("127.")


def _sections_only(source: PydanticBaseSettingsSource) -> PydanticBaseSettingsSource:
    """Leaves out names without a section, such as HAI_SERVER, which is the client's."""
    if isinstance(source, EnvSettingsSource):
        source.env_vars = {k: v for k, v in source.env_vars.items() if "__" in k}
    return source


def load_settings(path: Path | None = None, **values: Any) -> Settings:
    """Settings from `path` (TOML), overridden by HAI_* environment and then by `values`.

    Raises InvalidInput naming the first wrong key.
    """
    document, notes = _read(path) if path is not None else ({}, ())

    class _FromFile(Settings):
        @classmethod
        def settings_customise_sources(
            cls,
            settings_cls: type[BaseSettings],
            init_settings: PydanticBaseSettingsSource,
            env_settings: PydanticBaseSettingsSource,
            dotenv_settings: PydanticBaseSettingsSource,
            file_secret_settings: PydanticBaseSettingsSource,
        ) -> tuple[PydanticBaseSettingsSource, ...]:
            file = InitSettingsSource(settings_cls, document)
            return (init_settings, _sections_only(env_settings), file)

    try:
        settings = _FromFile(**values)
    except ValidationError as error:
        raise _named(error, path) from None
    except ValueError as error:
        raise InvalidInput(f"{path}: {error}", hint="see docs/configuration.md") from error
    settings._notes = notes
    return settings


def _read(path: Path) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The file in this platform's keys, with notes on the original's that have no effect."""
    try:
        document = tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        raise InvalidInput(f"no configuration file {path}", hint="hai-up run writes one") from None
    except OSError as error:
        raise InvalidInput(f"{path}: {error.strerror}") from None
    except ValueError as error:
        raise InvalidInput(f"{path}: {error}", hint="the file must be valid TOML") from None
    try:
        return adopted(document)
    except InvalidInput as error:
        raise InvalidInput(f"{path}: {error.message}", hint=error.hint) from None


def _named(error: ValidationError, path: Path | None) -> InvalidInput:
    """The first wrong key, where it was given, and what it may have been meant to be."""
    first = error.errors()[0]
    keys = [str(part) for part in first["loc"]]
    where, variable = ".".join(keys), f"HAI_{'__'.join(keys).upper()}"
    source = variable if variable in os.environ else path or "the environment (HAI_*)"
    what = first["msg"].removeprefix("Value error, ")
    if first["type"] == "extra_forbidden":
        close = get_close_matches(keys[-1], _names_beside(keys), n=1)
        what = "no such key" + (f"; did you mean {close[0]}?" if close else "")
    return InvalidInput(
        f"{source}: {where or 'settings'}: {what}", hint="see docs/configuration.md for every key"
    )


def _names_beside(keys: list[str]) -> list[str]:
    """The keys that there are where the last of `keys` stands."""
    if len(keys) == 1:
        return [*Settings.model_fields, *SECTIONS]
    field = Settings.model_fields.get(keys[0])
    section = field.annotation if field is not None else None
    if isinstance(section, type) and issubclass(section, Section):
        return list(section.model_fields)
    return []
