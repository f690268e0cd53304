"""The console scripts of a base, made anew for an environment that extends it.

A script of the base names the base's Python, which does not see what is installed in the layer. So
the layer has scripts of its own for the same entry points; what is in its bin directory already
stays, and pip replaces them when the package itself is installed there.
"""

import json
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path

_PROBE = """
import json
try:
    from importlib.metadata import distributions
except ImportError:
    distributions = lambda: ()
found = {}
for one in distributions():
    try:
        for entry in one.entry_points:
            if entry.group == "console_scripts":
                found.setdefault(entry.name, entry.value)
    except Exception:
        pass  # the metadata of one package are damaged
print(json.dumps(found))
"""
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]*")
_VALUE = re.compile(r"(?P<module>[\w.]+)\s*:\s*(?P<object>(?P<name>\w+)[\w.]*)\s*(\[.*\])?")
_LONGEST_SHEBANG = 127  # bytes, of older kernels


def console_scripts(python: str) -> Mapping[str, str]:
    """Name and `module:object` of each console script that `python` has; {} if it cannot tell."""
    try:
        done = subprocess.run(  # noqa: S603 (a Python that was probed)
            [python, "-I", "-c", _PROBE], capture_output=True, text=True, timeout=120, check=True
        )
        found = json.loads(done.stdout)
    except (OSError, ValueError, subprocess.SubprocessError):
        return {}
    return {str(name): str(value) for name, value in found.items()}


def write_scripts(bin_dir: Path, scripts: Mapping[str, str]) -> None:
    """Makes those that are not in `bin_dir` yet, for the Python there."""
    for name, value in scripts.items():
        text = script_text(bin_dir / "python", value)
        path = bin_dir / name
        if text and _NAME.fullmatch(name) and not path.exists():
            path.write_text(text, encoding="utf-8")
            path.chmod(0o777 & ~_umask_of(bin_dir))


def script_text(python: Path, value: str) -> str:
    """The program of an entry point; "" if `value` is none."""
    found = _VALUE.fullmatch(value.strip())
    if not found:
        return ""
    return (
        f"{_first_lines(str(python))}"
        "import sys\n\n"
        f"from {found['module']} import {found['name']}\n\n"
        'if __name__ == "__main__":\n'
        f"    sys.exit({found['object']}())\n"
    )


def _first_lines(python: str) -> str:
    """So that `python` runs the file: by the kernel, or by sh where the kernel cannot."""
    if " " not in python and len(python.encode()) + 3 < _LONGEST_SHEBANG:
        return f"#!{python}\n"
    quoted = '"' + re.sub(r'([\\"$`])', r"\\\1", python) + '"'
    return f"#!/bin/sh\n'''exec' {quoted} \"$0\" \"$@\"\n' '''\n"


def _umask_of(bin_dir: Path) -> int:
    """What is closed on the directory, which was made under the user's umask."""
    return ~bin_dir.stat().st_mode & 0o077
