"""agent.pyz: the same content gives the same file, and the SDK in it runs on old Pythons."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from hai.agent.build import build_agent
from tests.pythons import python_3_8

SDK_CODE = """
import sys
import hai.client as client
import hfai.client
print(client.__file__)
assert hfai.client.receive_suspend_command is client.receive_suspend_command
for name in client.__all__:
    getattr(client, name)
assert client.receive_suspend_command() is False
assert client.go_suspend() is None
assert client.EXP_PRIORITY.HIGH == 30
assert client.self_health_check().findings
"""


def run_sdk(python: str, archive: Path, code: str, *paths: str) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join([*paths, str(archive / "sdk")])
    return subprocess.run(
        [python, "-S", "-c", code],  # no site-packages: HAI may be installed where the tests run
        env={"PATH": os.environ["PATH"], "PYTHONPATH": path},
        cwd=archive.parent,
        capture_output=True,
        text=True,
    )


def test_build_is_deterministic_and_not_repeated(tmp_path: Path) -> None:
    first, second = build_agent(tmp_path / "a"), build_agent(tmp_path / "b")
    assert first.relative_to(tmp_path / "a") == second.relative_to(tmp_path / "b")
    assert first.read_bytes() == second.read_bytes()
    before = first.stat()
    assert build_agent(tmp_path / "a") == first
    assert (first.stat().st_ino, first.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert [path.name for path in first.parent.iterdir()] == ["agent.pyz"]


def test_everybody_may_read_it(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        path = build_agent(tmp_path / "agent")
    finally:
        os.umask(before)
    assert path.stat().st_mode & 0o777 == 0o644
    assert path.parent.stat().st_mode & 0o777 == 0o755
    assert path.parent.parent.stat().st_mode & 0o777 == 0o755


def test_agent_needs_nothing_of_ours(tmp_path: Path) -> None:
    names = zipfile.ZipFile(build_agent(tmp_path)).namelist()
    ours = {name for name in names if name.startswith("hai/") and not name.startswith("hai/agent/")}
    assert ours == {"hai/__init__.py", "hai/__init__.pyc"}
    assert "hai/agent/build.py" not in names


@pytest.mark.parametrize("version", ["this", "3.8"])
def test_agent_says_how_to_use_it(tmp_path: Path, version: str) -> None:
    python = sys.executable if version == "this" else python_3_8()
    command = [python, "-I", "-S", str(build_agent(tmp_path))]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 2
    assert "usage:" in done.stderr


@pytest.mark.parametrize("version", ["this", "3.8"])
def test_sdk_without_hai(tmp_path: Path, version: str) -> None:
    python = sys.executable if version == "this" else python_3_8()
    archive = build_agent(tmp_path)
    done = run_sdk(python, archive, SDK_CODE)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"{archive}/sdk/hai/client/__init__.py\n"


def test_sdk_beside_an_installed_hai(tmp_path: Path) -> None:
    archive = build_agent(tmp_path)
    installed = tmp_path / "site"
    shutil.copytree(Path(__file__).parents[3] / "hai", installed / "hai")
    (installed / "hai" / "client" / "extra.py").write_text("VALUE = 1\n")
    code = SDK_CODE + "import hai.core.types, hai.errors, hai.client.extra\n"
    path_file = f"import sys; sys.path.append({str(installed)!r})\n"
    done = run_sdk(sys.executable, archive, path_file + code)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"{installed}/hai/client/__init__.py\n", "the installed one is used whole"
