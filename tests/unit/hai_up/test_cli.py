"""hai-up as a command: what is data, what is narration, and how it ends. Starts no server."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pexpect
import pytest

from hai_up.layout import Layout
from hai_up.state import State, save_state
from hai_up.status import rendered

ROOT = Path(__file__).parents[3]


def hai_up(*words: str, home: Path, **environ: str) -> subprocess.CompletedProcess[str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("HAI_", "XDG_", "KUBECONFIG"))}
    return subprocess.run(
        [sys.executable, "-m", "hai_up.cli", *words],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**kept, "HOME": str(home), "HAI_DATA_DIR": str(home / "data"), **environ},
        check=False,
        timeout=60,
    )


def test_dryrun_shows_files_and_changes_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    url = "postgresql://u:verysecret@h/db"
    done = hai_up(
        "dryrun", "--nodes", "2", "--data-dir", str(folder), home=tmp_path, HAI_DATABASE_URL=url
    )
    assert done.returncode == 0, done.stderr
    assert "[server]" in done.stdout
    assert "node-02" in done.stdout
    assert "nothing was changed" in done.stderr
    assert "verysecret" not in done.stdout + done.stderr
    assert list(tmp_path.iterdir()) == []


def test_dryrun_into_a_folder(tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = hai_up("dryrun", "--out", str(out), home=tmp_path)
    assert (done.returncode, done.stdout) == (0, "")
    assert json.loads((out / "bootstrap.json").read_text())["new_token"] is True
    assert (out / "override.toml").exists()


def test_status_of_a_folder_that_was_never_used(tmp_path: Path) -> None:
    done = hai_up("status", "-o", "json", "--data-dir", str(tmp_path / "x"), home=tmp_path)
    assert done.returncode == 3
    facts = json.loads(done.stdout)
    assert (facts["schema_version"], facts["status"]) == (1, "not running")


def test_down_of_a_folder_that_was_never_used(tmp_path: Path) -> None:
    for words in (["down"], ["down", "--purge"]):
        done = hai_up(*words, "--data-dir", str(tmp_path / "x"), home=tmp_path)
        assert (done.returncode, done.stdout) == (0, "")
        assert str(tmp_path / "x") in done.stderr


def test_the_config_template_can_be_given_back(tmp_path: Path) -> None:
    config = tmp_path / "config.sh"
    config.write_text(hai_up("config", home=tmp_path).stdout + "KUBECONFIG=x\n")
    done = hai_up("dryrun", "-c", str(config), home=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "KUBECONFIG has no effect" in done.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        pytest.param(["run", "-p", "docker-compose"], "configuration file", id="no config"),
        pytest.param(["run", "-p", "k8s"], "configuration file", id="a cluster without a config"),
        pytest.param(["upgrade", "-p", "docker-compose"], "configuration file", id="no image"),
        pytest.param(["run", "-p", "moon"], "no provider", id="unknown provider"),
        pytest.param(["run", "--nodes", "0"], "--nodes 0", id="no nodes"),
        pytest.param(["run", "--nodes", "many"], "--nodes", id="not a number"),
        pytest.param(["run", "--user", "a b"], "--user", id="bad user"),
        pytest.param(["run", "-c", "/nonexistent"], "cannot read", id="no such file"),
        pytest.param(["run", "--database-url", "postgresql://u:p@h/d"], "password", id="password"),
        pytest.param(["status", "-o", "xml"], "unknown output", id="output"),
        pytest.param(["fly"], "fly", id="unknown command"),
        pytest.param(["run", "--fly"], "fly", id="unknown option"),
        pytest.param(["run", "--nodse", "2"], "did you mean --nodes?", id="typo in an option"),
        pytest.param(["statsu"], "status", id="typo in a command"),
        pytest.param(["run", "--port"], "--port", id="option without its value"),
    ],
)
def test_wrong_usage_is_exit_2(tmp_path: Path, words: list[str], said: str) -> None:
    done = hai_up(*words, home=tmp_path, HAI_DATA_DIR=str(tmp_path / "data"))
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr
    error, hint = done.stderr.splitlines()
    assert error.startswith("error: ")
    assert hint.startswith("hint: ")
    assert not (tmp_path / "data").exists()


def test_a_bare_hai_up_shows_help(tmp_path: Path) -> None:
    done = hai_up(home=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    steps = ("hai-up config > config.sh", "hai-up run -c config.sh", "make sure of")
    for words in (*steps, "  backup ", "  restore ", "  upgrade "):
        assert words in done.stdout


def test_a_missing_log_is_exit_3(tmp_path: Path) -> None:
    done = hai_up("logs", "--data-dir", str(tmp_path), home=tmp_path)
    assert done.returncode == 3
    path = hai_up("logs", "--path", "--data-dir", str(tmp_path), home=tmp_path)
    assert path.stdout == f"{tmp_path / 'server.log'}\n"


def test_upgrade_asks_or_says_why_not(tmp_path: Path) -> None:
    nothing = hai_up("upgrade", home=tmp_path)
    assert nothing.returncode == 3
    assert "there is no platform" in nothing.stderr
    done = hai_up("upgrade", "--tools", home=tmp_path)
    assert done.returncode in (1, 2)
    assert "hint:" in done.stderr


def used_folder(tmp_path: Path) -> Path:
    """A data folder after hai-up down."""
    folder = tmp_path / "data"
    folder.mkdir()
    state = State(
        version="0.1.0",
        host="127.0.0.1",
        port=1,
        nodes=4,
        gpus_per_node=8,
        hollow_nodes=0,
        group="training",
        user="ada",
    )
    save_state(Layout(folder), state)
    return folder


@pytest.mark.parametrize(("typed", "is_gone"), [("data", True), ("yes", False), ("", False)])
def test_purge_asks_a_person_for_the_folders_name(
    tmp_path: Path, typed: str, is_gone: bool
) -> None:
    folder = used_folder(tmp_path)
    words = ["-m", "hai_up.cli", "down", "--purge", "--data-dir", str(folder)]
    terminal = pexpect.spawn(
        sys.executable, words, cwd=str(ROOT), env={**os.environ, "HOME": str(tmp_path)}, timeout=60
    )
    terminal.expect(r"type the folder's name \(data\)")
    terminal.sendline(typed)
    terminal.expect(pexpect.EOF)
    terminal.close()
    assert terminal.exitstatus == 0
    assert folder.exists() is not is_gone


def test_down_is_quiet_about_what_does_not_run(tmp_path: Path) -> None:
    folder = used_folder(tmp_path)
    done = hai_up("down", "--data-dir", str(folder), home=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "it was not running\n")


def test_status_says_since_when_only_if_that_is_known() -> None:
    facts = {"status": "running", "why": "", "pid": 7, "since": None, "data_dir": "d", "log": "l"}
    assert "server    pid 7\n" in rendered(facts, "table")
    assert "server    pid 7, since noon\n" in rendered({**facts, "since": "noon"}, "table")


@pytest.mark.parametrize(
    ("redirection", "code", "said"),
    [(">&- 2>&- <&-", 0, ""), (">/dev/full", 1, "error: the output: No space left on device\n")],
)
def test_streams_that_are_closed_or_full(redirection: str, code: int, said: str) -> None:
    done = subprocess.run(
        ["sh", "-c", f'"$0" -m hai_up.cli config {redirection}', sys.executable],
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        check=False,
    )
    assert (done.returncode, done.stderr) == (code, said)


@pytest.mark.parametrize(
    ("words", "said", "hint"),
    [
        (("run", "--data-dir", ""), "names no folder", "--data-dir FOLDER"),
        (("backup", "--data-dir", ""), "names no folder", "--data-dir FOLDER"),
        (("status", "--data-dir", __file__), "is no folder", "--data-dir FOLDER"),
        (("run", "--port", "abc"), "no whole number", "hai-up run --help"),
        (("logs", "--tail", "-5"), "0 at least", "hai-up logs --help"),
    ],
)
def test_what_cannot_be_is_refused_in_our_words(
    tmp_path: Path, words: tuple[str, ...], said: str, hint: str
) -> None:
    """An empty folder is that of a variable that is not set, never the one that one stands in."""
    done = hai_up(*words, home=tmp_path)
    assert done.returncode == 2, done.stderr
    error, told = done.stderr.splitlines()
    assert said in error
    assert hint in told
    assert list(tmp_path.iterdir()) == []
