"""[door]: where the services of tasks are reached in the browser."""

import re
from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from hai.settings.sections import Section

MOST_PORTS = 1000
_HOST = re.compile(r"(?=.{1,180}\Z)[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_RANGE = re.compile(r"(\d{1,5})-(\d{1,5})")


class DoorSection(Section):
    """There is a door if `host` or `ports` is set; `host` wins."""

    host: str = ""  # INGRESS_HOST: each service is a name below it, *.host must lead here
    ports: str = ""  # FIRST-LAST: where there is no such host, a port for each service
    listen: str = ""  # address; empty: [server] host
    port: int = Field(default=7421, ge=0, le=65535)  # where it listens for names below `host`
    scheme: Literal["http", "https"] = "http"  # of the addresses below `host`
    public_port: int = Field(default=0, ge=0, le=65535)  # in them; 0: `port`
    public_host: str = ""  # of the addresses with ports; empty: that of [server] url
    session_seconds: float = Field(default=24 * 3600.0, gt=0)
    connections_per_user: int = Field(default=128, ge=1)  # at once, per api process
    port_rest_seconds: float = Field(default=30 * 86400.0, ge=0)  # before it is another user's

    @field_validator("host")
    @classmethod
    def _name(cls, value: str) -> str:
        if value and not _HOST.fullmatch(value):
            raise ValueError(f"{value!r} is no host name in lower case")
        return value

    @model_validator(mode="after")
    def _range(self) -> Self:
        if self.ports and not self.port_range:
            raise ValueError(f"ports {self.ports!r} is no range of ports, such as 7430-7493")
        return self

    @property
    def is_enabled(self) -> bool:
        return bool(self.host or self.ports)

    @property
    def port_range(self) -> range:
        """Empty where there is none, or none that makes sense."""
        match = _RANGE.fullmatch(self.ports)
        first, last = (int(match[1]), int(match[2])) if match else (0, 0)
        if not 0 < first <= last < 65536 or last - first >= MOST_PORTS:
            return range(0)
        return range(first, last + 1)
