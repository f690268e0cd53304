"""Makes, changes and removes environments: virtual environments of a Python found on this machine.

An environment that extends another sees its packages through a .pth file, and installs only what
differs. The extra search directories are in a .pth file too, so that `<env>/bin/python` alone, as
a task runs it, finds the same modules as a shell that entered the environment.

uv makes the directories, with scripts that do not name their own place, so that a copy on a
node's own disk works.
"""

import os
import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from hai.errors import Conflict, Denied, InvalidInput, NameInUse, NotFound
from haienv.index import Index, replace_text, write
from haienv.making import make_place
from haienv.model import Environment, Extras, check_name
from haienv.promises import changing

_PROBE = """
import sys
dirs = [p for p in sys.path if p.endswith(("site-packages", "dist-packages"))]
version = sys.version.split()[0].rstrip("+")
sys.stdout.buffer.write("\\0".join([version, sys.prefix] + dirs).encode("utf-8", "surrogateescape"))
"""
_OLDEST = (3, 8)
_VERSION = re.compile(r"\d+(\.\d+){0,2}")


@dataclass(frozen=True, slots=True)
class Interpreter:
    """A Python that runs: its path, version ("3.11.7"), prefix, and package directories."""

    path: str
    version: str
    prefix: str
    site_dirs: tuple[str, ...]


def find_interpreter(wanted: str, variables: Mapping[str, str] = os.environ) -> Interpreter:
    """The Python `wanted`: a version, a path, or "" for the one in use.

    In use is $HAIENV_PY, else that of the active virtual environment, else that of the active
    conda environment, else the one that runs haienv. Raises NotFound if there is none,
    InvalidInput if it is too old.
    """
    wanted = wanted or variables.get("HAIENV_PY", "")
    if not wanted:
        return _probe(_active_python(variables))
    if not _VERSION.fullmatch(wanted):
        return _probe(wanted)
    name = "python" + ".".join(wanted.split(".")[:2])
    import shutil

    path = shutil.which(name, path=variables.get("PATH"))
    if not path:
        raise NotFound(
            f"no {name} on PATH", hint="give the path of a Python: haienv create NAME -p PATH"
        )
    found = _probe(path)
    if not f"{found.version}.".startswith(f"{wanted}."):
        raise NotFound(
            f"{path} is Python {found.version}, not {wanted}", hint=f"give -p {name[6:]}, or a path"
        )
    return found


def _active_python(variables: Mapping[str, str]) -> str:
    if active := variables.get("VIRTUAL_ENV"):
        return f"{active}/bin/python"
    conda = variables.get("CONDA_PREFIX")
    if conda and Path(conda, "bin", "python").exists():  # one without Python is possible
        return f"{conda}/bin/python"
    return sys.executable


def _probe(path: str) -> Interpreter:
    hint = "give the version or the path of a Python that runs: -p 3.11, -p /usr/bin/python3"
    try:
        done = subprocess.run(  # noqa: S603 (the user names the program)
            [path, "-I", "-c", _PROBE],
            capture_output=True,
            text=True,
            encoding="utf-8",
            errors="surrogateescape",
            timeout=60,
            check=True,
        )
        version, prefix, *site_dirs = done.stdout.split("\0")
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        said = (getattr(error, "stderr", "") or str(error)).strip().splitlines()
        raise NotFound(f"{path} is no Python that runs: {said[-1][:200]}", hint=hint) from error
    if tuple(map(int, version.split(".")[:2])) < _OLDEST:
        raise InvalidInput(f"{path} is Python {version}; HAI needs 3.8 or newer", hint=hint)
    return Interpreter(path, version, prefix, tuple(site_dirs))


def create(
    index: Index, name: str, python: Interpreter, *, extend: bool, extras: Extras, created_at: str
) -> Environment:
    """Makes one's own environment `name`. Raises NameInUse, PlatformError."""
    path = index.root / check_name(name)
    check_directories(extras)
    with index.locked():
        check_free(index, name)
        environment = Environment(
            name=name,
            owner=index.user,
            path=path,
            python=python.version,
            extends=python.prefix if extend else None,
            created_at=created_at,
            extras=extras,
        )
        try:
            _build(index, environment, python)
        except BaseException:  # also Ctrl-C: half an environment is none
            _discard(path)
            raise
    return environment


def check_free(index: Index, name: str) -> None:
    """Raises NameInUse, or Conflict where something else stands at the place of `name`."""
    path = index.root / check_name(name)
    try:
        is_taken = (path / "haienv.json").exists()
        is_other = path.exists() and not (path / "pyvenv.cfg").exists() and any(path.iterdir())
    except OSError as error:
        raise Denied(
            f"cannot read {path}: {error.strerror}",
            hint="set HAIENV_PATH to a folder of your own on the shared file system",
        ) from error
    if is_taken:
        raise NameInUse(
            f"you have an environment {name!r} already",
            hint=f"take another name, or: haienv remove {name}",
        )
    if is_other:
        raise Conflict(f"{path} is in the way and no environment", hint="move it, try again")


def _discard(path: Path) -> None:
    import shutil

    shutil.rmtree(path, ignore_errors=True)


def _build(index: Index, environment: Environment, python: Interpreter) -> None:
    make_place(environment, python.path, python.site_dirs, index.root)
    write(environment)


def _write_extras(environment: Environment) -> None:
    lines = [f"{directory}\n" for directory in environment.extras.search_dirs]
    replace_text(environment.site_dir / "_haienv_search.pth", "".join(lines))
    write(environment)


def change(index: Index, name: str, edit: Callable[[Extras], Extras]) -> Environment:
    """Gives one's own environment `name` the extras that `edit` makes of its present ones.

    Raises NotFound, InvalidInput.
    """
    with index.locked():
        environment = index.find(check_name(name))
        extras = edit(environment.extras)
        check_directories(extras)
        changed = replace(environment, extras=extras)
        _write_extras(changed)
    return changed


def remove(index: Index, name: str) -> None:
    """Removes one's own environment `name`: for others it is gone at once. Raises NotFound."""
    with index.locked():
        path = index.root / check_name(name)
        if not (path / "haienv.json").exists():
            path = index.find(name).path
        doomed = index.root / f".removed.{name}.{os.getpid()}"
        with changing(index.find(name)):
            path.rename(doomed)
    import shutil

    shutil.rmtree(doomed)


def check_directories(extras: Extras) -> None:
    """Raises InvalidInput if an extra search directory does not exist."""
    for directory in (*extras.search_dirs, *extras.search_bin_dirs):
        if not Path(directory).is_dir():
            raise InvalidInput(f"no directory {directory}", hint="make it first, or mend the path")
