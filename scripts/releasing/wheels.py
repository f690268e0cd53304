"""The three wheels: one has everything, two have only their names and depend on it."""

import os
import subprocess
import sys
from pathlib import Path

from scripts.releasing.source import Source

THIN = {"haienv": "[env]", "haiworkspace": ""}  # and the extras that they bring
_THIN_PROJECT = """\
[build-system]
requires = ["hatchling>=1.27"]
build-backend = "hatchling.build"

[project]
name = "{name}"
version = "{version}"
description = "Installs the {name} command of HAI, which hai-platform carries"
license = "Apache-2.0"
requires-python = ">=3.11"
dependencies = ["hai-platform{extras}=={version}"]

[tool.hatch.build.targets.wheel]
bypass-selection = true
"""


def build_wheels(source: Source, scratch: Path, out: Path) -> list[Path]:
    """hai-platform, haienv and haiworkspace, in this order."""
    wheels = [_build(source.folder, source, out)]
    for name, extras in THIN.items():
        project = scratch / f"thin-{name}"
        project.mkdir()
        text = _THIN_PROJECT.format(name=name, extras=extras, version=source.version)
        (project / "pyproject.toml").write_text(text)
        wheels.append(_build(project, source, out))
    return wheels


def pip(*arguments: str, epoch: int) -> None:
    """pip of this interpreter, quietly. SystemExit with its last words when it fails."""
    command = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", *arguments]
    environment = os.environ | {"SOURCE_DATE_EPOCH": str(epoch)}
    done = subprocess.run(command, env=environment, stderr=subprocess.PIPE, text=True)
    if done.returncode:
        last = "\n".join(done.stderr.splitlines()[-15:])
        raise SystemExit(f"error: pip {arguments[0]} failed\n{last}")


def _build(project: Path, source: Source, out: Path) -> Path:
    before = set(out.glob("*.whl"))
    pip("wheel", "--no-deps", "--wheel-dir", str(out), str(project), epoch=source.epoch)
    new = set(out.glob("*.whl")) - before
    return new.pop() if new else _newest(out)


def _newest(out: Path) -> Path:
    """The same wheel was there already and was written anew."""
    return max(out.glob("*.whl"), key=lambda path: path.stat().st_mtime_ns)
