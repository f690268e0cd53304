"""[docker]: this machine's Docker engine, whose containers tasks run in, and how the machine is
shared out as nodes."""

import re
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field, field_validator

from hai.core.containers import GATEWAY
from hai.settings.containers import ContainerSection

_PREFIX = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,40}")
_GROUP = re.compile(r"[A-Za-z0-9_.]+")


class DockerSection(ContainerSection):
    """In force when `socket` is given."""

    socket: str = ""  # the engine's: /var/run/docker.sock, or unix:///... as in DOCKER_HOST
    nodes: int = Field(default=1, ge=1, le=1000)  # equal shares of the machine
    node_prefix: str = "node"  # of their names: node-01, node-02, ...
    group: str = "training"  # that they stand in
    shared_nodes: int = Field(default=0, ge=0)  # the last of them, in a group that is shared
    shared_group: str = "jupyter_cpu"
    node_gpus: int | None = Field(default=None, ge=0, le=1024)  # empty: all that there are, shared
    reserve_cpus: float = Field(default=0.0, ge=0)  # of the machine, for the platform itself
    reserve_memory_mib: int = Field(default=512, ge=0)
    network: Literal["own", "host"] = "own"  # of each attempt; "host" is not isolated
    server_url: str = ""  # where containers find the server; empty: {gateway} and [server] port
    pull: Literal["missing", "never"] = "missing"  # of images that are not here
    pids: int = Field(default=16384, ge=64)  # processes and threads of one worker, at most

    @property
    def is_enabled(self) -> bool:
        return bool(self.socket)

    @property
    def socket_path(self) -> Path:
        return Path(self.socket.removeprefix("unix://"))

    @field_validator("socket")
    @classmethod
    def _socket(cls, value: str) -> str:
        if value and not value.removeprefix("unix://").startswith("/"):
            raise ValueError(
                f"{value!r} is no unix socket of this machine: unix:///var/run/docker.sock"
            )
        return value

    @field_validator("node_prefix")
    @classmethod
    def _prefix(cls, value: str) -> str:
        if not _PREFIX.fullmatch(value):
            raise ValueError(f"{value!r} cannot be part of a node's name")
        return value

    @field_validator("group", "shared_group")
    @classmethod
    def _group(cls, value: str) -> str:
        if not _GROUP.fullmatch(value):
            raise ValueError(f"{value!r} is no group name: letters, digits and underscores")
        return value

    @field_validator("server_url")
    @classmethod
    def _server_url(cls, value: str) -> str:
        if not value:
            return value
        try:
            parts = urlsplit(value.replace(GATEWAY, "gateway"))
            is_good = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
        except ValueError:
            is_good = False
        if not is_good or parts.username or parts.query or parts.fragment:
            raise ValueError(f"{value!r} is no URL of a server: http://{GATEWAY}:PORT")
        return value.rstrip("/")
