"""What each role needs, and how it is named on the command line."""

import subprocess
import sys
from pathlib import Path

import pytest

from hai.core.server_role import ServerRole
from hai.errors import InvalidInput
from hai.settings import load_settings

SHARED = '[store]\nurl = "postgresql:///x"\n[bus]\nurl = "redis://h"\n[server]\nurl = "http://h"\n'


@pytest.mark.parametrize(
    ("role", "text", "words"),
    [
        ("api", "", r"\[bus\] url is needed with the role api"),
        ("api", '[bus]\nurl = "redis://h"', r"\[store\] url is needed"),
        (
            "control",
            '[bus]\nurl = "redis://h"\n[store]\nurl = "memory:"',
            r"\[store\] url is needed",
        ),
        ("control", SHARED.partition("[server]")[0], r"\[server\] url is needed"),
    ],
)
def test_what_several_processes_need_is_named(
    tmp_path: Path, role: str, text: str, words: str
) -> None:
    path = tmp_path / "override.toml"
    path.write_text(text)
    with pytest.raises(InvalidInput, match=words):
        load_settings(path, server={"role": role})


def test_the_command_line_wins_and_keeps_the_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "override.toml"
    path.write_text(SHARED)
    monkeypatch.setenv("HAI_SERVER__ROLE", "control")
    assert load_settings(path).server.role is ServerRole.CONTROL
    found = load_settings(path, server={"role": "api"}).server
    assert (found.role, found.url) == (ServerRole.API, "http://h")


def hai_server(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "hai.server.main", *words]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("words", ["--role control", "run --role control", "--role control run"])
def test_a_role_is_named_before_or_behind_the_command(words: str) -> None:
    """Each gets so far that it misses what the role needs."""
    done = hai_server(*words.split())
    assert done.returncode == 2
    assert "needed with the role control" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("words", ["--role boss", "run --role boss", "--role api check"])
def test_what_is_no_role_and_where_it_does_not_belong(words: str) -> None:
    done = hai_server(*words.split())
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
