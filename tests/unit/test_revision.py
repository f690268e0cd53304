"""The version of a checkout names its commit, whatever way git keeps it."""

import subprocess
from pathlib import Path

import pytest

from hai.revision import with_revision


def git(folder: Path, *words: str) -> str:
    identity = ["-c", "user.name=a", "-c", "user.email=a@b", "-c", "init.defaultBranch=main"]
    done = subprocess.run(
        ["git", "-C", str(folder), *identity, *words], capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    folder = tmp_path / "checkout"
    (folder / "hai").mkdir(parents=True)
    git(folder, "init")
    git(folder, "commit", "--allow-empty", "-m", "first")
    return folder


def version_of(folder: Path) -> str:
    return with_revision("1.2.3", str(folder / "hai" / "__init__.py"))


def expected(folder: Path) -> str:
    return f"1.2.3+g{git(folder, 'rev-parse', 'HEAD')[:10]}"


def test_a_branch_and_its_next_commit(checkout: Path) -> None:
    first = version_of(checkout)
    assert first == expected(checkout)
    git(checkout, "commit", "--allow-empty", "-m", "second")
    assert version_of(checkout) == expected(checkout) != first


def test_packed_and_detached(checkout: Path) -> None:
    git(checkout, "checkout", "-b", "group/feature.x")
    git(checkout, "pack-refs", "--all")
    assert not (checkout / ".git/refs/heads/group/feature.x").exists()
    assert version_of(checkout) == expected(checkout)
    git(checkout, "checkout", "--detach")
    assert version_of(checkout) == expected(checkout)


def test_a_further_worktree(checkout: Path, tmp_path: Path) -> None:
    further = tmp_path / "further"
    git(checkout, "worktree", "add", str(further), "-b", "other")
    git(further, "commit", "--allow-empty", "-m", "ahead")
    assert version_of(further) == expected(further) != version_of(checkout)
    git(further, "pack-refs", "--all")
    assert version_of(further) == expected(further)


def test_no_checkout_an_empty_one_and_a_damaged_one(tmp_path: Path) -> None:
    assert version_of(tmp_path) == "1.2.3"
    git(tmp_path, "init")
    assert version_of(tmp_path) == "1.2.3", "nothing is committed"
    for damage in ("", "ref: refs/heads/../../../etc/passwd", "zzz", "ref: "):
        (tmp_path / ".git" / "HEAD").write_text(damage)
        assert version_of(tmp_path) == "1.2.3"


def test_a_release_has_its_revision_already(checkout: Path) -> None:
    assert with_revision("1.2.3+g0123456789", str(checkout / "hai" / "x.py")) == "1.2.3+g0123456789"
