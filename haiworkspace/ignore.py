"""Which files stay at home: rules as in .gitignore, read from .haiignore (or .hfignore). Pure.

The part of git's language that is understood, one rule per line, the last that matches wins:

    name        a file or directory of that name, anywhere
    name/       a directory only
    /name, a/b  from the top: a slash at the start or inside
    *  ?  [a-z] [!a-z]   within one name;  **  any number of directories
    !rule       not excluded after all
    # text      a comment;  \\#, \\!  a literal first character

What lies in an excluded directory can not be taken back by `!`. Ignore files in subdirectories
have no effect, and blanks at the end of a line are dropped.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

FILE_NAMES = (".hfignore", ".haiignore")  # read in this order
# The workspace's own records: never sent, whatever the rules say.
PRIVATE = (".hai", ".hfai")
DEFAULTS = (
    *(".git", ".hg", ".svn", ".idea", ".vscode", ".venv", "__pycache__", ".ipynb_checkpoints"),
    *(".pytest_cache", ".mypy_cache", ".ruff_cache", ".DS_Store", ".*.haipart"),
)


@dataclass(frozen=True, slots=True)
class Rule:
    """One line of an ignore file; `source` says which, for people."""

    pattern: re.Pattern[str]
    source: str
    takes_back: bool
    directories_only: bool


@dataclass(frozen=True, slots=True)
class Rules:
    """All rules, in the order in which they are asked."""

    rules: tuple[Rule, ...]

    def why_excluded(self, path: str, *, is_directory: bool) -> str:
        """The rule that keeps `path` (relative, '/' between names) out; "" if it is to be sent.

        The directories above it are taken to be included.
        """
        if path.split("/", 1)[0] in PRIVATE:
            return "the workspace's own"
        for rule in reversed(self.rules):
            if (is_directory or not rule.directories_only) and rule.pattern.fullmatch(path):
                return "" if rule.takes_back else rule.source
        return ""


def default_rules() -> tuple[Rule, ...]:
    """The rules that hold everywhere; `!name` in an ignore file takes one back."""
    return parse_rules(DEFAULTS, "default")


def parse_rules(lines: Iterable[str], name: str) -> tuple[Rule, ...]:
    """The rules in the lines of the file `name`; lines without a rule are skipped."""
    rules = []
    for number, line in enumerate(lines, 1):
        source = f"{name}: {line.strip()}" if name == "default" else f"{name}:{number}"
        rule = _parse(line.rstrip(), source)
        if rule:
            rules.append(rule)
    return tuple(rules)


def _parse(line: str, source: str) -> Rule | None:
    if not line or line.startswith("#"):
        return None
    takes_back = line.startswith("!")
    if takes_back or line.startswith(("\\#", "\\!")):
        line = line[1:]
    directories_only = line.endswith("/")
    body = line.rstrip("/")
    is_anchored = "/" in body
    body = body.lstrip("/")
    if not body:
        return None
    expression = _expression(body)
    if not is_anchored:
        expression = f"(?:.*/)?{expression}"
    return Rule(re.compile(expression, re.DOTALL), source, takes_back, directories_only)


def _expression(glob: str) -> str:
    """The regular expression of an anchored pattern."""
    parts = glob.split("/")
    text = ""
    for index, part in enumerate(parts):
        is_last = index == len(parts) - 1
        if part == "**":
            text += ".+" if is_last else "(?:.*/)?"
        else:
            text += _name_expression(part) + ("" if is_last else "/")
    return text


def _name_expression(glob: str) -> str:
    text, at = "", 0
    while at < len(glob):
        char = glob[at]
        at += 1
        if char == "*":
            text += "[^/]*"
        elif char == "?":
            text += "[^/]"
        elif char == "\\" and at < len(glob):
            text += re.escape(glob[at])
            at += 1
        elif char == "[" and (end := glob.find("]", at + 1)) > 0:
            text += _set_expression(glob[at:end])
            at = end + 1
        else:
            text += re.escape(char)
    return text


def _set_expression(body: str) -> str:
    """[a-z] or [!a-z]; a range that runs backwards matches nothing."""
    negated = body[:1] in ("!", "^")
    body = body[1:] if negated else body
    inside = body.replace("\\", "\\\\").replace("[", "\\[").replace("^", "\\^")
    inside = inside.replace("]", "\\]").replace("&", "\\&").replace("~", "\\~").replace("|", "\\|")
    expression = f"(?!/)[{'^' if negated else ''}{inside}]"
    try:
        re.compile(expression)
    except re.error:
        return "(?!)"
    return expression
