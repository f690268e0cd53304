"""Files stay small enough to be read in one sitting."""

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = ("hai", "hai_up", "haienv", "haiworkspace", "scripts", "tests", "docs")
MOST_LINES = 400
MOST_SCRIPT_LINES = 100


def sources() -> list[Path]:
    return sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py"))


def test_no_file_is_too_long() -> None:
    sizes = {str(path.relative_to(ROOT)): len(path.read_text().splitlines()) for path in sources()}
    assert sizes
    assert {name: size for name, size in sizes.items() if size > MOST_LINES} == {}


def test_no_vague_module_names() -> None:
    vague = {"utils", "util", "helpers", "helper", "common", "manager", "base", "misc"}
    assert [path for path in sources() if path.stem in vague] == []


@pytest.mark.parametrize(
    "name",
    [
        "install",
        "need",
        "quickstart",
        "test",
        "check",
        "bench",
        "chaos",
        "hostile",
        "mutants",
        "screenshots",
    ],
)
def test_scripts_are_short_and_sound(name: str) -> None:
    path = ROOT / "scripts" / name
    assert path.stat().st_mode & 0o111
    lines = path.read_text().splitlines()
    assert lines[0] == "#!/bin/sh"
    assert "set -eu" in lines
    assert len(lines) <= MOST_SCRIPT_LINES
    assert subprocess.run(["sh", "-n", path], check=False).returncode == 0


@pytest.mark.parametrize("path", sorted((ROOT / "scripts" / "testbed").iterdir()))
def test_scripts_of_the_testbed_are_sound(path: Path) -> None:
    if path.suffix in (".py", ".c"):
        return
    lines = path.read_text().splitlines()
    assert len(lines) <= MOST_LINES / 2
    if path.suffix != ".sh":  # those are sourced
        assert path.stat().st_mode & 0o111
        assert lines[0] == "#!/bin/bash"
        assert any(line.startswith("set -") and "uo pipefail" in line for line in lines)
    assert subprocess.run(["bash", "-n", path], check=False).returncode == 0


def test_continuous_integration_runs_what_the_readme_says() -> None:
    text = (ROOT / ".ci" / "run").read_text()
    assert "scripts/check" in text
    assert "scripts/test" in text
