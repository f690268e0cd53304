"""A Python 3.8 for the tests is one that runs."""

from pathlib import Path

import pytest

from tests import pythons


def shim(folder: Path, text: str) -> Path:
    folder.mkdir(parents=True)
    path = folder / "python3.8"
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


@pytest.fixture(autouse=True)
def _nowhere_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pythons, "_roots", list)
    monkeypatch.setenv("PATH", f"{tmp_path / 'shims'}:{tmp_path / 'usr'}")


def test_one_that_cannot_run_is_passed_over(tmp_path: Path) -> None:
    shim(tmp_path / "shims", "echo 'pyenv: python3.8: command not found' >&2; exit 127")
    good = shim(tmp_path / "usr", "exit 0")
    assert pythons.find() == (str(good), "")


def test_none_that_runs_is_told_with_what_was_tried(tmp_path: Path) -> None:
    bad = shim(tmp_path / "shims", "exit 127")
    assert pythons.find() == ("", f"cannot run: {bad}")


def test_none_at_all(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert pythons.find() == ("", "none is installed")
