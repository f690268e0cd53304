"""The rules of ignore files."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from haiworkspace.ignore import Rules, default_rules, parse_rules


def excluded(rule_lines: str, path: str) -> bool:
    """Is `path` kept out, by itself or through a directory above it? 'a/' is a directory."""
    rules = Rules(parse_rules(rule_lines.encode(), "x"))
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
    ("[", "[", False),
]


@pytest.mark.parametrize(("rules", "path", "expected"), CASES)
def test_rules(rules: str, path: str, expected: bool) -> None:
    assert excluded(rules, path) is expected


ODD_FILES = [
    *sorted({rules for rules, _, _ in CASES}),
    "\ufeffdata\n*.pt",
    "\ufeff# comment\r\ndata\r\n!a\r\n",
    "a\rb\ndata",
    "data\r",
    "data\r\r\nm",
    "a\x0bb\n\x0cdata\n\u2028m",
    "data\t",
    " data",
    "a b\\ ",
    "a b\\\\ ",
    "data \t ",
    "a /",
    "a//\nb/",
    "foo/**/",
    "a/**/\n!a/b/",
    "*\n!*/\n!*.py",
    "*\n!a/",
    "a/*\n!a/b/\na/b/*\n!a/b/c",
    "**/b/**",
    "/**",
    "**\n!a",
    "a**b\n***",
    "[[:digit:]]*\n[[:alpha:]].py",
    "[[:upper:]_]",
    "[[a]",
    "m[!a-z].py",
    "m[^0-9].py",
    "[]a]",
    "[a-",
    "data\\",
    "\\data\n\\*.pt",
    "\\!x\n!!x\n\\#\n# x",
    "!data\n!!data",
    "./a\n../b\na/./b",
    "caf\u00e9\n\u96ea*",
]
PATHS = sorted(
    {path.rstrip("/") for _, path, _ in CASES if path != "!x"}
    | {"a/b/c", "foo/x", "foo/x/y", "a/x.py", "x.py", "1x", "A", "_", "[", "[[a]", "]", "\\data"}
    | {" data", "data\t", "a b ", "a\rb", "data\r", "*.pt", "caf\u00e9", "\u96eax", "#", "a ", "ab"}
)
has_git = pytest.mark.skipif(not shutil.which("git"), reason="git is not installed")


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("git")
    subprocess.run(["git", "-C", str(folder), "init", "-q"], check=True)
    return folder


def excluded_by_git(repository: Path, rules: str) -> set[str]:
    (repository / ".gitignore").write_bytes(rules.encode())
    done = subprocess.run(
        ["git", "-C", str(repository), "check-ignore", "-z", "--no-index", "--stdin"],
        input="".join(f"{path}\0" for path in PATHS).encode(),
        capture_output=True,
        check=False,
    )
    assert done.returncode in (0, 1), done.stderr
    return set(done.stdout.decode().split("\0")) - {""}


@has_git
@pytest.mark.parametrize("rules", ODD_FILES)
def test_the_same_as_git(repository: Path, rules: str) -> None:
    assert {path for path in PATHS if excluded(rules, path)} == excluded_by_git(repository, rules)


@has_git
@given(
    st.lists(
        st.text(alphabet="ab*?[]!^-\\/.# \r", max_size=7).filter(lambda line: "\0" not in line),
        min_size=1,
        max_size=4,
    )
)
@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow], deadline=None)
def test_the_same_as_git_whatever_is_written(repository: Path, lines: list[str]) -> None:
    rules = "\n".join(lines)
    assert {path for path in PATHS if excluded(rules, path)} == excluded_by_git(repository, rules)


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
    rules = Rules(default_rules() + parse_rules(b"\n!.vscode\n*.bin", ".haiignore"))
    assert rules.why_excluded(".vscode", is_directory=True) == ""
    assert rules.why_excluded("x.bin", is_directory=False) == ".haiignore:3"


@given(st.text(alphabet="ab*?[]!^-\\/.#&|~ ", max_size=12), st.text("ab/.", max_size=8))
def test_any_line_is_a_rule_or_none(line: str, path: str) -> None:
    for rule in parse_rules(line.encode(), "x"):
        assert isinstance(rule.pattern, re.Pattern)
        rule.pattern.fullmatch(path.encode())
