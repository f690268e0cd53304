"""All settings: override.toml, then HAI_* environment; built once.

`HAI_SERVER__PORT=8000` sets [server] port. hai-up writes the file; every default works without it.
"""

import os
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from hai.errors import InvalidInput
from hai.settings.kubernetes import KubernetesSection
from hai.settings.sections import (
    AgentSection,
    BusSection,
    LogSection,
    SchedulerSection,
    ServerSection,
    StoreSection,
    SuspendSection,
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
    logs: LogSection = LogSection()
    kubernetes: KubernetesSection = KubernetesSection()

    @property
    def data_dir(self) -> Path:
        return self.server.data_dir.expanduser()

    @property
    def log_dir(self) -> Path:
        return (self.logs.dir or self.data_dir / "logs").expanduser()

    @property
    def server_url(self) -> str:
        return self.server.url or f"http://{self.server.host}:{self.server.port}"


def _sections_only(source: PydanticBaseSettingsSource) -> PydanticBaseSettingsSource:
    """Leaves out names without a section, such as HAI_SERVER, which is the client's."""
    if isinstance(source, EnvSettingsSource):
        source.env_vars = {k: v for k, v in source.env_vars.items() if "__" in k}
    return source


def load_settings(path: Path | None = None, **values: Any) -> Settings:
    """Settings from `path` (TOML), overridden by HAI_* environment and then by `values`.

    Raises InvalidInput naming the first wrong key.
    """

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
            files = (TomlConfigSettingsSource(settings_cls, path),) if path else ()
            return (init_settings, _sections_only(env_settings), *files)

    if path is not None and not path.is_file():
        raise InvalidInput(f"no configuration file {path}", hint="hai-up run writes one")
    try:
        return _FromFile(**values)
    except ValidationError as error:
        first = error.errors()[0]
        keys = [str(part) for part in first["loc"]]
        where, variable = ".".join(keys), f"HAI_{'__'.join(keys).upper()}"
        source = variable if variable in os.environ else path or "the environment (HAI_*)"
        is_unknown = first["type"] == "extra_forbidden"
        what = "no such key" if is_unknown else first["msg"].removeprefix("Value error, ")
        raise InvalidInput(
            f"{source}: {where or 'settings'}: {what}",
            hint="see docs/configuration.md for every key",
        ) from None
    except ValueError as error:
        raise InvalidInput(f"{path}: {error}", hint="the file must be valid TOML") from error


def log_dir_of(settings: Settings, task_id: int, attempt: int) -> Path:
    """Where the agents of one attempt write: <log_dir>/<task>/<attempt>."""
    return Path(os.fspath(settings.log_dir)) / str(task_id) / str(attempt)
