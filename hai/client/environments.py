"""Names of environments in a run document, replaced by what haienv records of them.

The platform does not import its tools, so haienv is asked as a program. Standard library only and
Python 3.8.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from hai.errors import InvalidInput, NotFound, PlatformError

_MARK = "haienv.json"  # in each environment


def with_environment(
    document: Mapping[str, Any],
    name: str | None = None,
    *,
    follow: bool = False,
    ask: Callable[[str], Mapping[str, Any]] | None = None,
) -> dict[str, Any]:
    """The document with a whole record in `options.environment`, if it names an environment of
    haienv, by `name`, in `options.environment` or in `options.py_venv`.

    `ask` calls a route of the platform, which says whether nodes want it packed; without it they
    do. haienv packs it first, then, and says so on stderr. Raises NotFound, PlatformError and what
    else is wrong with the environment; then nothing is submitted.
    """
    found = dict(document)
    options = found.get("options") or {}
    if not isinstance(options, Mapping):
        return found  # the server says what is wrong
    wanted, follows = _wanted(options, name)
    if wanted:
        found["options"] = {**options, **_recorded(wanted, ask, follow=follow or follows)}
    elif follow:
        raise InvalidInput("--env-follow needs an environment", hint="name it: --env NAME")
    return found


def _wanted(options: Mapping[str, Any], name: str | None) -> tuple[str, bool]:
    """Name or path of the environment to record ("" for none), and whether it is followed."""
    if name:
        return name, False
    given = options.get("environment")
    if isinstance(given, Mapping):
        if "identity" in given:  # recorded already: the document of another task
            return "", False
        owner = f"[{given['owner']}]" if given.get("owner") else ""
        return f"{given.get('name', '')}{owner}", given.get("follow") is True
    if isinstance(given, int) and not isinstance(given, bool):
        given = str(given)  # YAML reads the name 2024 as a number
    venv = given if given else options.get("py_venv")
    if not isinstance(venv, str) or (venv.startswith("/") and not (Path(venv) / _MARK).exists()):
        return "", False
    return venv, False


def _recorded(
    name: str, ask: Callable[[str], Mapping[str, Any]] | None, *, follow: bool
) -> Mapping[str, Any]:
    import json  # late: most submissions name no environment
    import subprocess

    from hai.client.plain import error_from_body

    words = ["--follow"] if follow else []
    if not follow and ask is not None and ask("health").get("environments") == "in place":
        words = ["--in-place"]
    done = subprocess.run(  # noqa: S603 - a program of ours
        [_program(), "record", name, *words],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        check=False,
    )
    try:
        answer = json.loads(done.stdout)
        error = answer.get("error")
    except (ValueError, AttributeError):
        raise PlatformError(
            f"haienv cannot tell what environment {name!r} is (exit code {done.returncode})",
            hint=f"haienv verify {name}",
        ) from None
    if error:
        raise error_from_body(0, error, "haienv")
    found: Mapping[str, Any] = answer
    return found


def _program() -> str:
    import shutil

    beside = Path(sys.executable).with_name("haienv")
    found = str(beside) if os.access(beside, os.X_OK) else shutil.which("haienv")
    if not found:
        raise NotFound(
            "haienv is not installed here, and the task names an environment of it",
            hint="pip install 'hai-platform[env]', or give the path of a virtual environment",
        )
    return found
