"""Who may import whom, and what the light side never loads."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SERVER_LIBRARIES = {
    "fastapi", "starlette", "uvicorn", "psycopg", "psycopg_pool", "pydantic", "pydantic_settings",
    "redis", "structlog", "prometheus_client", "psutil", "jinja2", "kubernetes", "textual",
    "textual_serve", "aiohttp",
}  # fmt: skip


def python(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *words],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), "HOME": "/nonexistent"},
        check=False,
        timeout=60,
    )


def loaded_by(code: str, *flags: str) -> set[str]:
    """Top-level modules in sys.modules after the code."""
    done = python(*flags, "-c", f"{code}\nimport sys\nprint(*sorted(sys.modules), sep='\\n')")
    assert done.returncode == 0, done.stderr
    return {line.partition(".")[0] for line in done.stdout.splitlines()}


def test_the_layers_hold() -> None:
    done = python("-c", "from importlinter.cli import lint_imports_command as go; go()")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 broken" in done.stdout


def help_of(module: str) -> str:
    return (
        f"import sys, {module} as m\nsys.argv = ['x', '--help']\n"
        "try:\n    m.main()\nexcept SystemExit as end:\n    assert not end.code, end.code\n"
    )


@pytest.mark.parametrize("module", ["hai.cli.main", "hai_up.cli", "haienv.cli", "haiworkspace.cli"])
def test_help_loads_no_server_library(module: str) -> None:
    assert loaded_by(help_of(module)) & SERVER_LIBRARIES == set()


@pytest.mark.parametrize(
    "module",
    [
        "hai.cli.main",
        "hai.server.main",
        "hai.studio.main",
        "hai_up.cli",
        "haienv.cli",
        "haiworkspace.cli",
    ],
)
def test_every_command_explains_itself(module: str) -> None:
    done = python("-c", help_of(module))
    assert done.returncode == 0, done.stderr
    assert "usage: " in done.stdout.lower()


def test_a_server_without_a_cluster_needs_no_library_for_one() -> None:
    loaded = loaded_by("import hai.server.main, hai.server.compose, hai.server.app")
    assert loaded & {"kubernetes", "aiohttp"} == set()


def test_a_server_without_an_engine_loads_nothing_for_one() -> None:
    code = "import sys, hai.server.main, hai.server.compose, hai.server.app\nprint(*sys.modules)"
    done = python("-c", code)
    assert done.returncode == 0, done.stderr
    rooms = ("hai.docker", "hai.launcher.docker", "docker")
    assert [name for name in done.stdout.split() if name.startswith(rooms)] == []


def test_the_dashboard_for_scripts_draws_without_textual() -> None:
    assert "textual" not in loaded_by("import hai.tui.once, hai.cli.commands.top")


def test_the_dashboard_loads_no_server_library() -> None:
    loaded = loaded_by("import hai.tui.main") & SERVER_LIBRARIES
    assert loaded <= {"textual"}


def test_the_sdk_needs_only_the_standard_library() -> None:
    """As in a task whose interpreter has nothing else: no site-packages at all."""
    code = f"import sys\nsys.path.insert(0, {str(ROOT)!r})\nimport hai.client"
    loaded = loaded_by(code, "-I", "-S")
    assert loaded - set(sys.stdlib_module_names) <= {"hai", "__main__"}


def test_the_agent_needs_only_itself() -> None:
    code = f"import sys\nsys.path.insert(0, {str(ROOT)!r})\nimport hai.agent.main"
    done = python("-I", "-S", "-c", f"{code}\nprint(*sys.modules, sep='\\n')")
    assert done.returncode == 0, done.stderr
    ours = {name for name in done.stdout.splitlines() if name.partition(".")[0] == "hai"}
    assert {name for name in ours if not name.startswith("hai.agent")} <= {"hai", "hai.revision"}
