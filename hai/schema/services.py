"""The services of a run document: what listens, or only runs, beside the program."""

from collections import Counter
from collections.abc import Sequence
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from hai.core.services import BUILT_IN, NAME

_MAX_SCRIPT = 2047


class Service(BaseModel):
    """A network service beside the program. http: in the browser, through the platform's door; tcp:
    by hai-cli port-forward; local: a program without a port. `jupyter` and `ssh` are built in."""

    model_config = ConfigDict(extra="forbid")

    name: str
    port: int | None = Field(default=None, ge=1, le=65535)
    type: Literal["http", "tcp", "local"] = "http"
    rank: list[int] = Field(default_factory=lambda: [0], min_length=1, max_length=1024)
    startup_script: str = Field(default="", max_length=_MAX_SCRIPT)
    rewrite_uri: bool = False

    @field_validator("name")
    @classmethod
    def _name(cls, value: str) -> str:
        if not NAME.fullmatch(value):
            raise ValueError(
                f"{value!r} is no name of a service: up to 20 small letters, digits and dashes, "
                "a letter first and behind each dash"
            )
        return value

    @field_validator("startup_script")
    @classmethod
    def _one_command(cls, value: str) -> str:
        if any(one in value for one in "\n\r\0;"):
            raise ValueError("startup_script is one command, without ; and line breaks")
        return value

    @model_validator(mode="after")
    def _makes_sense(self) -> Self:
        if self.name in BUILT_IN:
            if self.startup_script or self.port is not None or self.type != "http":
                raise ValueError(f"{self.name} is built in: give its name alone")
        elif self.type == "local":
            if self.port is not None:
                raise ValueError(f"{self.name} is local: it has no port")
            if not self.startup_script:
                raise ValueError(f"{self.name} is local: it needs a startup_script")
        elif self.port is None:
            raise ValueError(f"{self.name} needs a port")
        if self.type != "local" and self.rank != [0]:
            raise ValueError(f"{self.name} is reached from outside: that is rank 0 alone")
        return self


def check_services(services: Sequence[Service], ranks: int) -> None:
    """ValueError where they do not fit together, or the task."""
    names = Counter(f"name {one.name}" for one in services)
    ports = Counter(f"port {one.port}" for one in services if one.port is not None)
    for what, count in (names + ports).items():
        if count > 1:
            raise ValueError(f"two services have the {what}")
    for one in services:
        beyond = [rank for rank in one.rank if not 0 <= rank < ranks]
        if beyond:
            raise ValueError(f"service {one.name}: there is no rank {beyond[0]}")
