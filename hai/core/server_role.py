"""What a process of the server does."""

from enum import StrEnum


class ServerRole(StrEnum):
    """`api` answers users and agents, `control` runs the loops as soon as it leads, `all` both."""

    API = "api"
    CONTROL = "control"
    ALL = "all"

    @property
    def serves(self) -> bool:
        """Whether users and agents are answered here."""
        return self is not ServerRole.CONTROL

    @property
    def may_lead(self) -> bool:
        """Whether the loops run here once this process leads."""
        return self is not ServerRole.API
