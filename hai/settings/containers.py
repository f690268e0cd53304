"""What [kubernetes] and [docker] have in common: what every container of a task gets."""

import re
from pathlib import PurePosixPath

from pydantic import Field, field_validator

from hai.settings.sections import Section

LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class ContainerSection(Section):
    image: str = ""  # of tasks that name none
    variables: dict[str, str] = Field(default_factory=dict)  # for every task
    mounts: dict[str, str] = Field(default_factory=dict)  # name = "host:path[:ro]", in every one

    @field_validator("variables")
    @classmethod
    def _variables(cls, value: dict[str, str]) -> dict[str, str]:
        for name in value:
            if not _VARIABLE.fullmatch(name):
                raise ValueError(f"{name!r} is no name of an environment variable")
        return value

    @field_validator("mounts")
    @classmethod
    def _mounts(cls, value: dict[str, str]) -> dict[str, str]:
        for name, text in value.items():
            if not LABEL.fullmatch(name.replace("_", "-")):
                raise ValueError(f"{name!r} is no name of a mount: small letters and dashes")
            split_mount(text)
        return value


def split_mount(text: str) -> tuple[str, str, bool]:
    """Host path, path in the container and whether it is read-only, of "host:path[:ro]";
    ValueError says what is wrong."""
    host, _, rest = text.partition(":")
    path, _, mode = rest.partition(":")
    if mode not in ("", "ro", "rw"):
        raise ValueError(f"{text!r}: {mode!r} is neither ro nor rw")
    for one in (host, path):
        if not one.startswith("/") or ".." in PurePosixPath(one).parts:
            raise ValueError(f"{text!r} is not of the form host:path[:ro] with absolute paths")
    return host, path, mode == "ro"
