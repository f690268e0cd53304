"""The rules of ignore files."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haiworkspace.ignore import Rules, default_rules, parse_rules


def excluded(rule_lines: str, path: str) -> bool:
    """Is `path` kept out, by itself or through a directory above it? 'a/' is a directory."""
    rules = Rules(parse_rules(rule_lines.split("\n"), "x"))
    parts = path.rstrip("/").split("/")
    for count in range(1, len(parts) + 1):
        is_directory = count < len(parts) or path.endswith("/")
        if rules.why_excluded("/".join(parts[:count]), is_directory=is_directory):
            return True
    return False


CASES = [
    ("data", "data", True),
    ("data", "a/b/data", True),
    ("data", "data/x", True),
    ("data", "data2", False),
    ("data/", "data", False),
    ("data/", "data/", True),
    ("data/", "a/data/x", True),
    ("/data", "data", True),
    ("/data", "a/data", False),
    ("a/b", "a/b", True),
    ("a/b", "x/a/b", False),
    ("*.pt", "m.pt", True),
    ("*.pt", "a/m.pt", True),
    ("*.pt", "m.pth", False),
    ("a/*.pt", "a/m.pt", True),
    ("a/*.pt", "a/b/m.pt", False),
    ("a/**/m.pt", "a/m.pt", True),
    ("a/**/m.pt", "a/b/c/m.pt", True),
    ("**/m", "m", True),
    ("**/m", "a/b/m", True),
    ("a/**", "a/b/c", True),
    ("a/**", "a", False),
    ("m?.py", "m1.py", True),
    ("m?.py", "m/.py", False),
    ("m[0-9].py", "m5.py", True),
    ("m[!0-9].py", "m5.py", False),
    ("m[!0-9].py", "mx.py", True),
    ("# data", "# data", False),
    ("\\# data", "# data", True),
    ("\\!x", "!x", True),
    ("*.pt\n!best.pt", "best.pt", False),
    ("*.pt\n!best.pt", "a/best.pt", False),
    ("*.pt\n!best.pt", "last.pt", True),
    ("!best.pt\n*.pt", "best.pt", True),
    ("data\n!data/keep", "data/keep", True),
    ("data/*\n!data/keep", "data/keep", False),
    ("a b  ", "a b", True),
    ("", "a", False),
    ("/", "a", False),
    ("a.c", "abc", False),
    ("[", "[", True),
]


@pytest.mark.parametrize(("rules", "path", "expected"), CASES)
def test_rules(rules: str, path: str, expected: bool) -> None:
    assert excluded(rules, path) is expected


@pytest.mark.skipif(not shutil.which("git"), reason="git is not installed")
@pytest.mark.parametrize("rules", sorted({rules for rules, path, _ in CASES if rules != "["}))
def test_the_same_as_git(tmp_path: Path, rules: str) -> None:
    git = ["git", "-C", str(tmp_path)]
    subprocess.run([*git, "init", "-q"], check=True)
    (tmp_path / ".gitignore").write_text(rules + "\n")
    paths = [path for _, path, _ in CASES if path != "!x" and not path.endswith("/")]
    names = "".join(f"{path}\0" for path in paths)
    done = subprocess.run(
        [*git, "check-ignore", "-z", "--no-index", "--stdin"],
        input=names,
        capture_output=True,
        text=True,
        check=False,
    )
    theirs = set(done.stdout.split("\0"))
    assert {path: excluded(rules, path) for path in paths} == {
        path: path in theirs for path in paths
    }


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        (".git", "default: .git"),
        ("a/__pycache__", "default: __pycache__"),
        (".venv", "default: .venv"),
        (".hai", "the workspace's own"),
        (".gitignore", ""),
        ("src", ""),
    ],
)
def test_defaults_and_their_reasons(path: str, reason: str) -> None:
    assert Rules(default_rules()).why_excluded(path, is_directory=True) == reason


def test_a_rule_of_the_user_takes_a_default_back_and_is_named() -> None:
    rules = Rules(default_rules() + parse_rules(["", "!.vscode", "*.bin"], ".haiignore"))
    assert rules.why_excluded(".vscode", is_directory=True) == ""
    assert rules.why_excluded("x.bin", is_directory=False) == ".haiignore:3"


@given(st.text(alphabet="ab*?[]!^-\\/.#&|~ ", max_size=12), st.text("ab/.", max_size=8))
def test_any_line_is_a_rule_or_none(line: str, path: str) -> None:
    for rule in parse_rules([line], "x"):
        assert isinstance(rule.pattern, re.Pattern)
        rule.pattern.fullmatch(path)
