"""Folders and secret files: made once, right again after a change, nothing else beside them."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from hai_up.compose import folders


def run(folder: Path, texts: dict[str, str]) -> list[str]:
    """As hai-up calls it: the module's text as a command, JSON on standard input."""
    uid = os.getuid()
    wanted: dict[str, Any] = {
        "folders": [
            {"path": str(folder / "secrets"), "uid": uid, "mode": 0o711},
            {"path": str(folder / "a" / "b"), "uid": uid, "mode": 0o755},
        ],
        "seeds": [{"path": str(folder / "a" / "id"), "uid": uid, "text": "first"}],
        "files": {"folder": str(folder / "secrets"), "uid": uid, "texts": texts},
    }
    text = Path(folders.__file__).read_text()
    done = subprocess.run(
        [sys.executable, "-I", "-c", text],
        input=json.dumps(wanted),
        capture_output=True,
        text=True,
        check=True,
    )
    changed: list[str] = json.loads(done.stdout)
    return [str(Path(path).relative_to(folder)) for path in changed]


def test_made_once_and_then_left_alone(tmp_path: Path) -> None:
    texts = {"key": "planted"}
    assert run(tmp_path, texts) == ["secrets", "a/b", "a/id", "secrets/key"]
    inode = (tmp_path / "secrets" / "key").stat().st_ino
    assert run(tmp_path, texts) == []
    assert (tmp_path / "secrets" / "key").stat().st_ino == inode
    assert (tmp_path / "secrets").stat().st_mode & 0o7777 == 0o711


def test_secret_files_are_for_their_account_alone(tmp_path: Path) -> None:
    run(tmp_path, {"key": "planted"})
    key = tmp_path / "secrets" / "key"
    assert key.stat().st_mode & 0o7777 == 0o400
    key.chmod(0o644)
    assert run(tmp_path, {"key": "planted"}) == ["secrets/key"]
    assert key.stat().st_mode & 0o7777 == 0o400
    assert run(tmp_path, {"key": "another"}) == ["secrets/key"]
    assert key.read_text() == "another"


def test_what_is_no_secret_any_more_goes(tmp_path: Path) -> None:
    run(tmp_path, {"key": "planted", "old": "planted"})
    assert run(tmp_path, {"key": "planted"}) == ["secrets/old"]
    assert [path.name for path in (tmp_path / "secrets").iterdir()] == ["key"]


def test_a_link_is_replaced_and_not_followed(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("mine")
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "key").symlink_to(victim)
    assert "secrets/key" in run(tmp_path, {"key": "planted"})
    assert victim.read_text() == "mine"
    assert not (tmp_path / "secrets" / "key").is_symlink()


def test_a_seed_that_somebody_went_on_with_stays(tmp_path: Path) -> None:
    run(tmp_path, {})
    (tmp_path / "a" / "id").write_text("second")
    assert run(tmp_path, {}) == []
    assert (tmp_path / "a" / "id").read_text() == "second"
