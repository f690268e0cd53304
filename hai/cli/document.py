"""From a command line to a run document (version 2). Pure but for looking at FILE."""

import shlex
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hai.cli.grammar import parse_duration, parse_pair, parse_priority, set_path
from hai.core.array_spec import ArraySpec
from hai.core.duration import time_limit as limit_of
from hai.core.lifecycle.dependency import parse_after
from hai.core.lifecycle.retry import Retry
from hai.errors import InvalidInput, NotFound

DEFAULT_PRIORITY = "30"
DOCUMENT_VERSION = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmitOptions:
    """The cluster options as typed."""

    name: str | None = None
    nodes: int = 1
    group: str | None = None
    priority: str | None = None
    image: str | None = None
    environments: Sequence[str] = ()
    options: Sequence[str] = ()
    scheduling: Mapping[str, Any] = field(default_factory=dict)  # of scheduling_options
    inherit: bool = True


def check_file(kind: str, file: str) -> None:
    """FILE must be there and be what `kind` (python, bash, exec) runs.

    A bare name for `exec` is looked up on the node's PATH and not checked here.
    """
    if kind == "exec" and "/" not in file:
        return
    check_present(file)
    is_python = file.endswith(".py")
    if kind == "python" and not is_python:
        raise InvalidInput(
            f"{file!r} does not end in .py, and the cluster would run it with bash",
            hint="use `bash` or `exec`, or rename it",
        )
    if kind == "bash" and is_python:
        raise InvalidInput(f"{file!r} is a Python file", hint="use `hai-cli python`")


def check_present(file: str) -> None:
    """Raises NotFound for a missing file and InvalidInput for a directory."""
    path = Path(file)
    if path.is_dir():
        raise InvalidInput(f"{file!r} is a directory", hint="name the file to run")
    if not path.exists():
        raise NotFound(
            f"no file {file!r} in {Path.cwd()}", hint="check the path, or change directory first"
        )


def build_document(
    kind: str, program: Sequence[str], wishes: SubmitOptions, environ: Mapping[str, str]
) -> dict[str, Any]:
    """The run document of `hai-cli KIND FILE ARGS -- ...`."""
    file, *parameters = program
    path = Path(file)
    spec: dict[str, Any] = {
        "entrypoint": path.name if path.is_absolute() and kind != "exec" else file,
        "workspace": str(path.parent if path.is_absolute() else Path.cwd()),
        "parameters": shlex.join(parameters),
        "environments": _environments(wishes.environments),
    }
    if kind == "exec":
        spec["entrypoint_executable"] = True
    resource: dict[str, Any] = {"node_count": wishes.nodes, "group": wishes.group or "default"}
    if wishes.image:
        resource["image"] = wishes.image
    return {
        "version": DOCUMENT_VERSION,
        "name": wishes.name if wishes.name is not None else path.name,
        "priority": parse_priority(wishes.priority or DEFAULT_PRIORITY),
        "spec": spec,
        "resource": resource,
        "options": _options(wishes, environ),
    }


def scheduling_options(
    after: Sequence[str] | None, array: str | None, time_limit: str | None, retry: int | None
) -> dict[str, Any]:
    """What --after, --array, --time and --retry put into `options`; InvalidInput names the wrong
    one."""
    given = {
        "after": list(after) if after else None,
        "array": array,
        "time_limit": None if time_limit is None else parse_duration(time_limit),
        "retry": None if retry is None else {"max": retry},
    }
    options = {key: value for key, value in given.items() if value is not None}
    try:
        parse_after(options.get("after", []))
        ArraySpec.parse(options.get("array", "0"))
        limit_of(options)
        Retry.parse(options.get("retry", 0))
    except ValueError as error:
        raise InvalidInput(str(error), hint="`hai-cli run -h` shows the options") from None
    return options


def with_request_id(document: Mapping[str, Any]) -> dict[str, Any]:
    """The document as it is sent: a repeated send is recognised by the id."""
    return {"request_id": uuid.uuid4().hex, **document}


def inherited_venv(environ: Mapping[str, str]) -> str | None:
    """The Python environment that this shell is in, as `options.py_venv`; None outside of any."""
    if environ.get("HF_ENV_NAME"):
        named = environ["HF_ENV_NAME"]
        owner = environ.get("HF_ENV_OWNER")
        return environ.get("HF_ENV_PATH") or (f"{named}[{owner}]" if owner else named)
    active = environ.get("VIRTUAL_ENV") or environ.get("CONDA_PREFIX")
    return str(Path(active).absolute()) if active else None


def _environments(pairs: Sequence[str]) -> dict[str, str]:
    return dict(parse_pair(pair, "environment variable", "-e NAME=VALUE") for pair in pairs)


def _options(wishes: SubmitOptions, environ: Mapping[str, str]) -> dict[str, Any]:
    from hai.client.document import parse_option

    options: dict[str, Any] = {}
    venv = inherited_venv(environ) if wishes.inherit else None
    if venv:
        options["py_venv"] = venv
    for pair in wishes.options:
        key, value = parse_pair(pair, "option", "--options a.b.c=value")
        set_path(options, key, parse_option(value, key, f"--options {pair}"))
    return {**options, **wishes.scheduling}
