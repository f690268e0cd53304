"""The proof of a checkpoint: a file under a pattern that is newer than the notice."""

import os
import time
from pathlib import Path

import pytest

from hai.agent import checkpoints
from hai.agent.environment import ProgramAccount

NOTICE = 1_000_000.0


def put(path: Path, at: float) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("x")
    os.utime(path, (at, at))


def newer(folder: Path, pattern: str) -> str:
    return checkpoints.newer_file(ProgramAccount(None, ""), str(folder), pattern, NOTICE)


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("new.pt", "new.pt"),
        ("*.pt", "new.pt"),
        ("./*.pt", "./new.pt"),
        ("old.pt", ""),
        ("ol?.pt", ""),
        ("same.pt", ""),
        ("run/checkpoint-*", "run/checkpoint-2/model/weights"),
        ("run/checkpoint-1", ""),
        ("**/weights", "run/checkpoint-2/model/weights"),
        ("last", "last"),
        ("dangling", ""),
        ("empty", ""),
        ("pipe", ""),
        ("none/*", ""),
        ("[", ""),
        ("with space*", "with space é"),
        ("", ""),
    ],
)
def test_patterns(tmp_path: Path, pattern: str, expected: str) -> None:
    put(tmp_path / "new.pt", NOTICE + 1)
    put(tmp_path / "old.pt", NOTICE - 1)
    put(tmp_path / "same.pt", NOTICE)
    put(tmp_path / "run/checkpoint-1/weights", NOTICE - 5)
    put(tmp_path / "run/checkpoint-2/model/weights", NOTICE + 5)
    put(tmp_path / "with space é", NOTICE + 5)
    (tmp_path / "empty").mkdir()
    (tmp_path / "last").symlink_to("run/checkpoint-2/model/weights")
    (tmp_path / "dangling").symlink_to("nowhere")
    os.mkfifo(tmp_path / "pipe")
    assert newer(tmp_path, pattern) == expected


def test_an_absolute_pattern_and_a_folder_that_is_gone(tmp_path: Path) -> None:
    put(tmp_path / "a.pt", NOTICE + 1)
    assert newer(Path("/"), f"{tmp_path}/*.pt") == f"{tmp_path}/a.pt"
    assert newer(tmp_path / "gone", "*.pt") == ""


def test_a_pattern_that_never_ends_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoints, "LOOK_SECONDS", 0.3)
    (tmp_path / "loop").symlink_to(".")
    began = time.monotonic()
    assert newer(tmp_path, "/".join(["*"] * 300)) == ""
    assert time.monotonic() - began < 30


def test_the_user_s_rights_decide(tmp_path: Path) -> None:
    if os.getuid() != 0:
        pytest.skip("only root can become somebody else")
    from tests.integration.agent_peer import searchable_folder

    with searchable_folder() as folder:
        put(folder / "closed" / "a.pt", NOTICE + 1)
        (folder / "closed").chmod(0o700)
        put(folder / "open.pt", NOTICE + 1)
        account = ProgramAccount(64321, str(folder))
        assert checkpoints.newer_file(account, str(folder), "closed/*", NOTICE) == ""
        assert checkpoints.newer_file(account, str(folder), "*.pt", NOTICE) == "open.pt"
