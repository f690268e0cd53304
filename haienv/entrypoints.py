"""The console scripts of a base, made anew for an environment that extends it.

A script of the base names the base's Python, which does not see what is installed in the layer. So
the layer has scripts of its own for the same entry points; what is in its bin directory already
stays, and pip replaces them when the package itself is installed there.
"""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

SCRIPTS_FILE = "base_scripts.json"  # in the environment: what scripts_in found
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]*")
_VALUE = re.compile(r"(?P<module>[\w.]+)\s*:\s*(?P<object>(?P<name>\w+)[\w.]*)\s*(\[.*\])?")
_LONGEST_SHEBANG = 127  # bytes, of older kernels


def scripts_in(directories: Iterable[str]) -> Mapping[str, str]:
    """Name and `module:object` of each console script of the packages in `directories`."""
    found: dict[str, str] = {}
    for directory in directories:
        for path in sorted(Path(directory).glob("*.dist-info/entry_points.txt")):
            for name, value in _of_file(path):
                found.setdefault(name, value)
    return found


def _of_file(path: Path) -> Iterable[tuple[str, str]]:
    import configparser

    parser = configparser.ConfigParser(delimiters=("=",), interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]  # names have their case
    try:
        parser.read(path, encoding="utf-8")
        return parser.items("console_scripts")
    except (OSError, configparser.Error, UnicodeDecodeError):  # none, or damaged metadata
        return []


def write_scripts(bin_dir: Path, scripts: Mapping[str, str]) -> None:
    """Makes those that are not in `bin_dir` yet, for the Python there."""
    for name, value in scripts.items():
        text = script_text(bin_dir / "python", value)
        path = bin_dir / name
        if text and _NAME.fullmatch(name) and not path.exists():
            path.write_text(text, encoding="utf-8")
            path.chmod(0o777 & ~umask_of(bin_dir))


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


def umask_of(bin_dir: Path) -> int:
    """What is closed on the directory, which was made under the user's umask."""
    return ~bin_dir.stat().st_mode & 0o077
