"""Other Pythons than the one that runs the tests."""

import functools
import os
import pwd
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

_CHECK = "import sys, ssl, zlib; sys.exit(sys.version_info[:2] != (3, 8))"


def _roots() -> list[str]:
    """Folders of pyenv; HOME may be another one than that of whoever runs the tests."""
    roots = [os.environ.get("PYENV_ROOT", ""), f"{Path.home()}/.pyenv"]
    with suppress(KeyError):
        roots.append(f"{pwd.getpwuid(os.getuid()).pw_dir}/.pyenv")
    return [root for root in roots if root]


def _candidates() -> Iterator[str]:
    for root in _roots():
        yield from map(str, sorted(Path(root, "versions").glob("3.8.*/bin/python"), reverse=True))
    for folder in os.get_exec_path():
        if found := shutil.which("python3.8", path=folder):
            yield found


def _runs(python: str) -> bool:
    """A pyenv shim is there for every version, and runs only what this folder and HOME choose."""
    try:
        done = subprocess.run([python, "-c", _CHECK], capture_output=True, timeout=60, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def find() -> tuple[str, str]:
    """The interpreter, or "" and why there is none."""
    tried = list(dict.fromkeys(_candidates()))
    for python in tried:
        if _runs(python):
            return python, ""
    return "", f"cannot run: {', '.join(tried)}" if tried else "none is installed"


_found = functools.cache(find)


def python_3_8() -> str:
    """A Python 3.8 that runs; skips the test, with the reason, where there is none."""
    python, why = _found()
    if not python:
        pytest.skip(f"no Python 3.8 here ({why})")
    return python
