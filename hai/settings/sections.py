"""The sections of override.toml, one class each. A wrong or unknown key is an error."""

from pathlib import Path
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

from hai.core.idle import IdlePolicy
from hai.core.logdirs import check_log_dir
from hai.core.policy import Policy
from hai.core.resources import GIB, MILLI, Resources
from hai.core.server_role import ServerRole
from hai.core.types import Priority, UserName
from hai.errors import InvalidInput

_POLICY = Policy()  # the defaults


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ServerSection(Section):
    role: ServerRole = ServerRole.ALL
    host: str = "127.0.0.1"
    port: int = Field(default=7420, ge=0, le=65535)
    data_dir: Path = Path("~/.local/share/hai")
    url: str = ""  # where agents reach the server; empty: http://host:port
    peer_url: str = ""  # where the other api processes reach this one; empty: its host and port
    secret_file: Path | None = None  # signs worker tokens; default: data_dir/secret
    streams_per_user: int = Field(default=200, ge=1)  # open at once at one api process
    clock_speed: float = Field(default=1.0, gt=0, le=1000)  # of hollow clusters, for simulations


class StoreSection(Section):
    url: SecretStr = SecretStr("")  # postgresql://...; "memory:" keeps nothing
    pool_size: int = Field(default=8, ge=2, le=200)
    loop_pool_size: int = Field(default=4, ge=2, le=50)  # of the loops' own


class BusSection(Section):
    url: SecretStr = SecretStr("")  # redis:// or rediss:// (TLS); empty: in-process
    username: str = ""
    password: SecretStr = SecretStr("")
    password_file: Path | None = None  # instead of password; read for each connection
    ca_file: Path | None = None  # PEM: who signs the certificate of a rediss:// server


class SchedulerSection(Section):
    default_group: str = "training"
    tick_seconds: float = Field(default=5.0, gt=0)  # a tick happens at least this often
    busy_fraction: float = Field(default=0.25, gt=0, le=1)  # share of one core for ticks
    journal_days: float = Field(default=14.0, gt=0)  # how long ticks can be replayed
    max_array_size: int = Field(default=10_000, ge=1, le=1_000_000)
    max_array_bytes: int = Field(default=2**30, ge=1)  # tasks of an array x size of its document
    max_unfinished_tasks: int = Field(default=50_000, ge=1)  # of one user
    max_unfinished_bytes: int = Field(default=256 * 2**20, ge=1)  # of one user's documents
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

    def policy(self, shared_prefix: str = "") -> Policy:
        """The planner's form of this section; `shared_prefix` is [jupyter]'s."""
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
            shared_prefix=shared_prefix,
        )


class SuspendSection(Section):
    notice_seconds: float = Field(default=5.0, gt=0)  # to acknowledge
    term_seconds: float = Field(default=5.0, gt=0)  # from SIGTERM to SIGKILL
    grace_seconds: float = Field(default=60.0, gt=0)  # to save, once acknowledged
    grace_cap_seconds: float = Field(default=600.0, gt=0)  # the most that a task may ask for


class AgentSection(Section):
    heartbeat_seconds: float = Field(default=10.0, gt=0)  # longest silence of a healthy agent
    lost_after_seconds: float = Field(default=45.0, gt=0)  # of silence: the agent is killed
    start_timeout_seconds: float = Field(default=60.0, gt=0)
    suspect_seconds: float = Field(default=60.0, gt=0)  # of quiet, before a node is used again
    watchdog_seconds: float = Field(default=1800.0, gt=0)  # without output; options.watchdog_time
    processes: int = Field(default=0, ge=0)  # of a user on a node, with threads; 0: half of all
    # scripts in this folder run on local nodes before each program: docs/dev-containers.md
    post_system_init: Path | None = None
    # a folder of each node's own disk for unpacked environments; none: they run where they lie
    env_dir: Path | None = None
    env_bytes: int = Field(default=50 * 2**30, ge=2**20)  # of one user, on one node
    python: str = ""  # interpreter of agents and of tasks without py_venv; empty: the server's own

    @property
    def fence_seconds(self) -> float:
        """Without contact with the server, before an agent on another machine pauses its program.
        The rest is for that to happen, for clocks that differ, and for a server that starts."""
        return 0.7 * self.lost_after_seconds

    @field_validator("env_dir")
    @classmethod
    def _absolute(cls, value: Path | None) -> Path | None:
        if value is not None and (not value.is_absolute() or ":" in str(value)):
            raise ValueError("env_dir must be an absolute path without a colon")
        return value

    @model_validator(mode="after")
    def _patient(self) -> Self:
        if self.lost_after_seconds < 2 * self.heartbeat_seconds:
            raise ValueError("lost_after_seconds must be at least twice heartbeat_seconds")
        return self


class ChannelSection(Section):
    """Shells, forwarded ports, copies and ssh into running tasks."""

    per_worker: int = Field(default=16, ge=1, le=64)  # channels at once into one rank
    per_user: int = Field(default=64, ge=1)
    in_all: int = Field(default=2000, ge=1)  # per api process
    open_seconds: float = Field(default=15.0, gt=0, le=60)  # for the agent to come
    idle_seconds: float = Field(default=4 * 3600.0, gt=0)  # without a byte


class WorkspaceSection(Section):
    """Workspaces that users push through the API."""

    dir: Path | None = None  # with a folder for each user; default: data_dir/workspace
    user_bytes: int = Field(default=50 * 2**30, ge=2**20)  # of all workspaces of a user
    most_files: int = Field(default=200_000, ge=1)  # of one workspace
    processes: int = Field(default=16, ge=1)  # of users who transfer at once, per api process
    idle_seconds: float = Field(default=60.0, gt=0)  # until such a process ends


class JupyterSection(Section):
    shared_node_group_prefix: str = ""  # of groups whose nodes dev containers share; "": none
    # seconds without use before a dev container is suspended (0: never), by group if it has its own
    idle_seconds: float = Field(default=8 * 3600.0, ge=0)
    idle_seconds_by_group: dict[str, Annotated[float, Field(ge=0)]] = Field(default_factory=dict)
    idle_max_seconds: float = Field(default=7 * 86400.0, ge=0)  # that one may ask for; 0: any
    idle_notice_seconds: float = Field(default=600.0, ge=0)  # before that, it is told

    def idle_policy(self) -> IdlePolicy:
        return IdlePolicy(
            seconds=self.idle_seconds,
            by_group=self.idle_seconds_by_group,
            most_seconds=self.idle_max_seconds,
            notice_seconds=self.idle_notice_seconds,
        )

    # of a shared node, for a container that does not say: no more than the largest node has
    default_cpus: float = Field(default=2.0, gt=0)
    default_memory_gib: float = Field(default=8.0, gt=0)

    def defaults(self) -> Resources:
        return Resources(round(self.default_cpus * MILLI), round(self.default_memory_gib * GIB))


class LogSection(Section):
    dir: Path | None = None  # default: data_dir/logs; may have a folder for each {user_name}
    segment_bytes: int = Field(default=16 * 2**20, ge=4096)
    segments: int = Field(default=8, ge=2)  # kept per rank and attempt
    attempt_bytes: int = Field(default=2 * 2**30, ge=2**16)  # kept of all ranks of an attempt
    user_bytes: int = Field(default=20 * 2**30, ge=2**20)  # kept of all tasks of a user
    keep_days: float = Field(default=90.0, gt=0)  # after a task has ended
    reserve_bytes: int = Field(default=512 * 2**20, ge=0)  # of their disk, left to the platform
    level: str = "info"
    json_format: bool = True

    @field_validator("dir")
    @classmethod
    def _folder(cls, value: Path | None) -> Path | None:
        if value is not None:
            check_log_dir(value)
        return value
