"""What the cluster runs of a workspace: the copy that was pushed."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import haiworkspace
from tests.unit.cli.conftest import Cli


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A workspace with a program, as the current directory; its twin is `there`."""
    here = tmp_path / "home" / "digits"
    (here / "src").mkdir(parents=True)
    (here / "src" / "train.py").write_text("print(1)\n")
    monkeypatch.chdir(here)
    words = ["init", "digits", "--remote", str(tmp_path / "there")]
    subprocess.run(
        [sys.executable, "-c", "from haiworkspace.cli import main; main()", *words],
        check=True,
        capture_output=True,
        env={**os.environ, "PYTHONPATH": str(Path(haiworkspace.__file__).parents[1])},
    )
    return here


def spec_of(cli: Cli, *words: str) -> tuple[dict[str, str], str]:
    done = cli(*words, "--", "--dry-run", "-o", "json")
    assert done.code == 0, done.err
    return json.loads(done.out)["spec"], done.err


def test_the_pushed_copy_runs_and_is_named(
    cli: Cli, desk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec, said = spec_of(cli, "python", "src/train.py")
    assert spec["workspace"] == str(desk), "never pushed: there is no copy"
    assert "pushed" not in said
    haiworkspace.push(desk)
    spec, said = spec_of(cli, "python", "src/train.py")
    assert (spec["workspace"], spec["entrypoint"]) == (str(tmp_path / "there"), "src/train.py")
    assert "runs the copy that was pushed at 20" in said
    assert str(tmp_path / "there") in said
    monkeypatch.chdir(desk / "src")
    spec, _ = spec_of(cli, "python", "train.py")
    assert spec["workspace"] == str(tmp_path / "there" / "src")
    spec, _ = spec_of(cli, "python", str(desk / "src" / "train.py"))
    assert spec["workspace"] == str(tmp_path / "there" / "src")
    spec, _ = spec_of(cli, "exec", "nvidia-smi")
    assert spec["workspace"] == str(tmp_path / "there" / "src")


def test_a_program_that_was_not_pushed(cli: Cli, desk: Path) -> None:
    haiworkspace.push(desk)
    (desk / "new.py").write_text("")
    done = cli("python", "new.py", "--", "--dry-run")
    assert done.code == 3
    assert "haiworkspace push" in done.err


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_records_of_somebody_else_are_not_followed(cli: Cli, desk: Path) -> None:
    haiworkspace.push(desk)
    os.chown(desk / ".hai" / "sync.json", 12345, 12345)
    assert spec_of(cli, "python", "src/train.py")[0]["workspace"] == str(desk)
