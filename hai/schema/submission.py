"""What a user submits: the run yaml, schema version 2, as the original's users write it."""

import math
import re
import shlex
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, field_validator, model_validator

from hai.core.array_spec import LARGEST_INDEX, member_name
from hai.core.services import MOST
from hai.core.task_options import TaskOptions
from hai.core.types import Priority
from hai.core.visible import INVISIBLE, has_something_to_see
from hai.schema.services import Service, check_services

MAX_NAME = 511
MAX_COMMAND = 2047
MAX_NODES = 100_000
MAX_AMOUNT = 1_000_000  # cores, GiB or GPUs of a node
_MEMBER = re.compile(r"\d+_\[.*\]")
_WORDS = ("all", "me")  # in commands and queries
_BAD_NAME = re.compile(r"[()/\x00-\x1f\x7f]")


class Spec(BaseModel):
    """What to run. `.py` runs under python, an executable as it is, anything else under bash."""

    model_config = ConfigDict(extra="forbid")

    entrypoint: str = Field(min_length=1)
    workspace: str = Field(default="", max_length=255)
    parameters: str = ""
    environments: dict[str, str] = Field(default_factory=dict)
    entrypoint_executable: bool = False
    git_remote_repo: Literal[""] = ""  # accepted empty, as the original's client sends it
    git_target_revision: Literal[""] = ""

    @field_validator("workspace")
    @classmethod
    def _absolute(cls, value: str) -> str:
        if value and not value.startswith("/"):
            raise ValueError(f"{value!r} is no absolute path")
        return value

    @field_validator("parameters")
    @classmethod
    def _quoted(cls, value: str) -> str:
        try:
            shlex.split(value[:MAX_COMMAND])
        except ValueError as error:
            raise ValueError(f"not quoted as in a shell: {error}") from None
        return value

    @field_validator("environments", mode="before")
    @classmethod
    def _as_text(cls, value: Any) -> Any:
        if isinstance(value, dict):
            return {key: _text(item) for key, item in value.items()}
        return {} if value is None else value

    @field_validator("environments")
    @classmethod
    def _names(cls, value: dict[str, str]) -> dict[str, str]:
        for name, text in value.items():
            if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
                raise ValueError(f"{name!r} is no name of an environment variable")
            if "\0" in text:
                raise ValueError(f"the value of {name} contains a NUL byte")
        return value

    @model_validator(mode="after")
    def _short_enough(self) -> Self:
        for text in (self.entrypoint, self.workspace, self.parameters):
            if "\0" in text:
                raise ValueError("a NUL byte cannot be part of a command")
        if len(self.workspace) + len(self.entrypoint) + len(self.parameters) > MAX_COMMAND:
            raise ValueError(
                f"workspace, entrypoint and parameters together exceed {MAX_COMMAND} characters"
            )
        return self


class Resource(BaseModel):
    """Where to run: `node_count` nodes of `group` ("" or "default": the server's own). Nodes are
    whole ones but for dev containers in groups that share them: these get `gpu` GPUs, `cpu` cores
    (thousandths count) and `memory` GiB of a node; 0: the server's default."""

    model_config = ConfigDict(extra="forbid")

    image: str = "default"
    group: str = "default"
    node_count: int = Field(default=1, ge=1, le=MAX_NODES)
    is_spot: bool = False
    gpu: int = Field(default=0, ge=0, le=MAX_AMOUNT)
    cpu: int | float = Field(default=0, ge=0, le=MAX_AMOUNT)
    memory: int | float = Field(default=0, ge=0, le=MAX_AMOUNT)

    @field_validator("node_count", mode="before")
    @classmethod
    def _possible(cls, value: Any) -> Any:
        if isinstance(value, int) and not 1 <= value <= MAX_NODES:
            raise ValueError(f"must be between 1 and {MAX_NODES:,}")
        return value


class Submission(BaseModel):
    """A task as submitted. `request_id` makes a repeated submit return the first one's task."""

    model_config = ConfigDict(extra="forbid")

    version: Literal[2] = 2
    name: str = Field(min_length=1, max_length=MAX_NAME)
    task_type: Literal["training", "jupyter"] = "training"
    priority: Priority = Priority.AUTO
    spec: Spec
    resource: Resource = Field(default_factory=Resource)
    options: dict[str, Any] = Field(default_factory=dict)
    services: list[Service] = Field(default_factory=list, max_length=MOST)
    request_id: str | None = Field(default=None, max_length=64)
    _parsed: TaskOptions = PrivateAttr(default_factory=TaskOptions)

    @field_validator("priority", mode="before")
    @classmethod
    def _level(cls, value: Any) -> Any:
        return priority_level(value)

    @field_validator("name")
    @classmethod
    def _name(cls, value: str) -> str:
        if _BAD_NAME.search(value):
            raise ValueError("a name has no ( ) / and no control characters")
        if INVISIBLE.search(value) or not has_something_to_see(value):
            raise ValueError("a name has something to see, and no invisible characters")
        if value in _WORDS:
            raise ValueError(f"{value!r} means something else where a task is named")
        if value.isdigit() or value.startswith("@") or _MEMBER.fullmatch(value):
            raise ValueError(
                "a name must not look like an id: digits only, a leading @, or as 12_[7]"
            )
        return value

    @field_validator("options", mode="before")
    @classmethod
    def _options(cls, value: Any) -> Any:
        _require_finite(value, "options")
        return {} if value is None else value

    @model_validator(mode="after")
    def _known_options(self) -> Self:
        self._parsed = TaskOptions.parse(self.options)
        return self

    @model_validator(mode="after")
    def _services(self) -> Self:
        check_services(self.services, self.resource.node_count)
        return self

    @model_validator(mode="after")
    def _array(self) -> Self:
        is_array = self._parsed.array is not None
        if is_array and len(member_name(self.name, LARGEST_INDEX)) > MAX_NAME:
            raise ValueError("the name of an array is too long for its index behind it")
        return self

    @property
    def parsed_options(self) -> TaskOptions:
        """What the platform goes by; `options` has all of them as they were written."""
        return self._parsed


def priority_level(value: object) -> Priority:
    """A level by name (any case) or number; ValueError names the levels."""
    if isinstance(value, str):
        name = value.strip().upper()
        if name in Priority.__members__:
            return Priority[name]
        value = int(name) if re.fullmatch(r"-?\d{1,3}", name) else value
    if isinstance(value, int) and not isinstance(value, bool) and value in set(Priority):
        return Priority(value)
    levels = ", ".join(f"{level.name} ({level.value})" for level in Priority)
    raise ValueError(f"{value!r} is no priority; choose one of {levels}")


def _require_finite(value: Any, key: str) -> None:
    """ValueError names the number that JSON, in which the document is kept, does not know."""
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{key} is {value}, which is no number that can be kept")
    if isinstance(value, dict):
        for name, item in value.items():
            _require_finite(item, f"{key}.{name}")
    elif isinstance(value, list):
        for index, item in enumerate(value):
            _require_finite(item, f"{key}[{index}]")


def _text(value: Any) -> Any:
    """YAML reads 1, 1.5 and true as numbers and booleans; the environment knows only text."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, int | float) else value
