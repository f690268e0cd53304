"""Ignore files in subdirectories mean what git takes them for."""

import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from haiworkspace.listing import list_tree
from haiworkspace.workspace import read_rules

has_git = pytest.mark.skipif(not shutil.which("git"), reason="git is not installed")
PATHS = ["m.pt", "a/m.pt", "a/keep.pt", "a/b/m.pt", "a/b/x", "a/b/c/x", "d/m.pt", "d/e/x", "x"]
CASES = [
    {"a": "*.pt\n"},
    {"": "*.pt\n", "a": "!keep.pt\n"},
    {"": "*.pt\n", "a/b": "!*.pt\n"},
    {"a": "/x\n/b/x\n"},
    {"a": "b/\n!b/x\n"},
    {"": "a/b/\n", "a/b": "!x\n"},
    {"a": "b/**\n", "a/b": "!c/\n!c/x\n"},
    {"": "x\n", "a": "!x\n", "a/b": "x\n", "a/b/c": "!x\n"},
    {"d": "*\n", "d/e": "!x\n"},
    {"a": "../x\nd\n"},
]


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tree")
    for path in PATHS:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).touch()
    subprocess.run(["git", "-C", str(folder), "init", "-q"], check=True)
    return folder


def compared(tree: Path, files: dict[str, str]) -> tuple[set[str], set[str]]:
    """What we leave out of PATHS, and what git does."""
    for name in ("", "a", "a/b", "a/b/c", "d", "d/e"):
        for own in (".gitignore", ".haiignore"):
            (tree / name / own).unlink(missing_ok=True)
            if name in files:
                (tree / name / own).write_text(files[name])
    done = subprocess.run(
        ["git", "-C", str(tree), "check-ignore", "-z", "--no-index", "--stdin"],
        input="".join(f"{path}\0" for path in PATHS).encode(),
        capture_output=True,
        check=False,
    )
    assert done.returncode in (0, 1), done.stderr
    sent = list_tree(tree, read_rules(tree, use_files=True), None).entries
    return {path for path in PATHS if path not in sent}, set(done.stdout.decode().split("\0")) - {
        ""
    }


@has_git
@pytest.mark.parametrize("files", CASES, ids=str)
def test_the_same_as_git(tree: Path, files: dict[str, str]) -> None:
    ours, theirs = compared(tree, files)
    assert ours == theirs


_LINE = st.sampled_from(
    ["x", "/x", "*.pt", "!*.pt", "!x", "b", "b/", "!b/", "b/x", "*", "!*/", "**/x"]
)


@has_git
@given(st.dictionaries(st.sampled_from(["", "a", "a/b", "d"]), st.lists(_LINE, max_size=3)))
@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow], deadline=None)
def test_the_same_as_git_whatever_is_written(tree: Path, rules: dict[str, list[str]]) -> None:
    ours, theirs = compared(tree, {name: "\n".join(lines) for name, lines in rules.items()})
    assert ours == theirs


def test_the_rule_is_named_with_its_file(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / ".haiignore").write_text("\n*.bin\n")
    (tmp_path / "a" / "x.bin").touch()
    tree = list_tree(tmp_path, read_rules(tmp_path, use_files=True), None)
    assert tree.excluded == {"a/x.bin": "a/.haiignore:2"}


def test_an_ignore_file_behind_a_link_is_not_read(tmp_path: Path) -> None:
    """A directory that is a link here may be a directory there."""
    inside, outside = tmp_path / "inside", tmp_path / "outside"
    inside.mkdir()
    outside.mkdir()
    (outside / ".haiignore").write_text("*\n")
    (inside / "a").symlink_to(outside)
    rules = read_rules(inside, use_files=True)
    assert rules.why_excluded("a/x", is_directory=False) == ""
