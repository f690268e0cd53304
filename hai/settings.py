"""Server settings: override.toml, then HAI_* environment, one class per section; built once.

`HAI_SERVER__PORT=8000` sets [server] port. hai-up writes the file; every default works without it.
"""

import os
from pathlib import Path
from typing import Any, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from hai.core.policy import Policy
from hai.core.types import Priority, UserName
from hai.errors import InvalidInput

_POLICY = Policy()  # the defaults


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ServerSection(_Section):
    host: str = "127.0.0.1"
    port: int = Field(default=7420, ge=0, le=65535)
    data_dir: Path = Path("~/.local/share/hai")
    url: str = ""  # where agents reach the server; empty: http://host:port
    secret_file: Path | None = None  # signs worker tokens; default: data_dir/secret
    clock_speed: float = Field(default=1.0, gt=0, le=1000)  # of hollow clusters, for simulations


class StoreSection(_Section):
    url: SecretStr = SecretStr("")  # postgresql://...; "memory:" keeps nothing
    pool_size: int = Field(default=8, ge=2, le=200)


class BusSection(_Section):
    url: SecretStr = SecretStr("")  # redis://...; empty: in-process


class SchedulerSection(_Section):
    default_group: str = "training"
    tick_seconds: float = Field(default=5.0, gt=0)  # a tick happens at least this often
    busy_fraction: float = Field(default=0.25, gt=0, le=1)  # share of one core for ticks
    journal_days: float = Field(default=14.0, gt=0)  # how long ticks can be replayed
    max_array_size: int = Field(default=10_000, ge=1, le=1_000_000)
    # the knobs of hai.core.policy.Policy, which checks them
    preemption: bool = _POLICY.preemption
    backfill: bool = _POLICY.backfill
    slice_seconds: float = _POLICY.slice_seconds
    slices: dict[str, float] = Field(default_factory=dict)  # by name of the priority
    half_life_seconds: float = _POLICY.half_life_seconds
    weights: dict[str, float] = Field(default_factory=dict)  # by user
    patience_seconds: float = _POLICY.patience_seconds
    demote_after_seconds: float = _POLICY.demote_after_seconds
    lost_work_cap_seconds: float = _POLICY.lost_work_cap_seconds

    @field_validator("slices")
    @classmethod
    def _levels(cls, value: dict[str, float]) -> dict[str, float]:
        known = [level.name for level in Priority if level is not Priority.AUTO]
        for name in value:
            if name not in known:
                raise ValueError(f"{name!r} is no priority; choose from {', '.join(known)}")
        return value

    @model_validator(mode="after")
    def _makes_sense(self) -> Self:
        try:
            self.policy()
        except InvalidInput as error:
            raise ValueError(error.message) from None
        return self

    def policy(self) -> Policy:
        """The planner's form of this section."""
        return Policy(
            preemption=self.preemption,
            backfill=self.backfill,
            slice_seconds=self.slice_seconds,
            slices={Priority[name]: seconds for name, seconds in self.slices.items()},
            half_life_seconds=self.half_life_seconds,
            weights={UserName(user): weight for user, weight in self.weights.items()},
            patience_seconds=self.patience_seconds,
            demote_after_seconds=self.demote_after_seconds,
            lost_work_cap_seconds=self.lost_work_cap_seconds,
        )


class SuspendSection(_Section):
    notice_seconds: float = Field(default=5.0, gt=0)  # to acknowledge
    term_seconds: float = Field(default=5.0, gt=0)  # from SIGTERM to SIGKILL
    grace_seconds: float = Field(default=60.0, gt=0)  # to save, once acknowledged
    grace_cap_seconds: float = Field(default=600.0, gt=0)  # the most that a task may ask for


class AgentSection(_Section):
    heartbeat_seconds: float = Field(default=10.0, gt=0)  # longest silence of a healthy agent
    lost_after_seconds: float = Field(default=45.0, gt=0)  # of silence: the agent is killed
    start_timeout_seconds: float = Field(default=60.0, gt=0)
    suspect_seconds: float = Field(default=60.0, gt=0)  # of quiet, before a node is used again
    watchdog_seconds: float = Field(default=1800.0, gt=0)  # without output; options.watchdog_time
    python: str = ""  # interpreter of agents and of tasks without py_venv; empty: the server's own

    @model_validator(mode="after")
    def _patient(self) -> Self:
        if self.lost_after_seconds < 2 * self.heartbeat_seconds:
            raise ValueError("lost_after_seconds must be at least twice heartbeat_seconds")
        return self


class LogSection(_Section):
    dir: Path | None = None  # default: data_dir/logs
    segment_bytes: int = Field(default=16 * 2**20, ge=4096)
    segments: int = Field(default=8, ge=2)  # kept per rank and attempt
    level: str = "info"
    json_format: bool = True


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
