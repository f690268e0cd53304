"""Which files stay at home: rules as in .gitignore, read from .haiignore (or .hfignore). Pure.

The part of git's language that is understood, one rule per line, the last that matches wins:

    name        a file or directory of that name, anywhere
    name/       a directory only
    /name, a/b  from the top: a slash at the start or inside
    *  ?  [a-z] [!a-z]   within one name;  **  any number of directories
    !rule       not excluded after all
    # text      a comment;  \\#, \\!  a literal first character

What lies in an excluded directory cannot be taken back by `!`. An ignore file in a subdirectory
holds for what is below it, and comes before those above it. As for git,
names are bytes, `\\ ` at the end of a line is a blank, and a byte order
mark or a carriage return before the line end is nothing.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache

from haiworkspace.globs import NoMatch, expression

FILE_NAMES = (".hfignore", ".haiignore")  # read in this order
# The workspace's own records: never sent, whatever the rules say.
PRIVATE = (".hai", ".hfai")
DEFAULTS = (
    *(".git", ".hg", ".svn", ".idea", ".vscode", ".venv", "__pycache__", ".ipynb_checkpoints"),
    *(".pytest_cache", ".mypy_cache", ".ruff_cache", ".DS_Store", ".*.haipart"),
)
_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True, eq=False)
class Rule:
    """One line of an ignore file; `source` says which, for people. Each is equal to itself only:
    lists of them are looked up for every file."""

    pattern: re.Pattern[bytes]
    source: str
    takes_back: bool
    directories_only: bool


@dataclass(frozen=True, slots=True)
class Rules:
    """All rules, in the order in which they are asked. `nested` knows those of subdirectories."""

    rules: tuple[Rule, ...]
    nested: "Nested | None" = None

    def why_excluded(self, path: str, *, is_directory: bool) -> str:
        """The rule that keeps `path` (relative, '/' between names) out; "" if it is to be sent.

        The directories above it are taken to be included.
        """
        if path.split("/", 1)[0] in PRIVATE:
            return "the workspace's own"
        name = path.encode("utf-8", "surrogateescape")
        above = path.rpartition("/")[0]
        if above and self.nested:
            for start, rules in self.nested.above(above):
                found = _deciding(rules, name[start:], is_directory=is_directory)
                if found:
                    return "" if found.takes_back else found.source
        found = _deciding(self.rules, name, is_directory=is_directory)
        return "" if found is None or found.takes_back else found.source


class Nested:
    """The rules of ignore files in subdirectories. `read` gives those of one directory, and None
    where there is no such directory; it is asked once for each."""

    def __init__(self, read: Callable[[str], tuple[Rule, ...] | None]) -> None:
        self._read = read
        self._known: dict[str, tuple[tuple[int, tuple[Rule, ...]], ...] | None] = {}

    def above(self, directory: str) -> tuple[tuple[int, tuple[Rule, ...]], ...]:
        """The rules for what is in `directory`, the nearest first, each with the length of what
        of a path they do not see, in bytes."""
        return self._chain(directory) or ()

    def _chain(self, directory: str) -> tuple[tuple[int, tuple[Rule, ...]], ...] | None:
        if not directory:
            return ()
        if directory not in self._known:
            above = self._chain(directory.rpartition("/")[0])
            own = None if above is None else self._read(directory)
            length = len(directory.encode("utf-8", "surrogateescape")) + 1
            found = None if above is None or own is None else ((length, own), *above)
            self._known[directory] = found if own != () else above
        return self._known[directory]


def _deciding(rules: tuple[Rule, ...], name: bytes, *, is_directory: bool) -> Rule | None:
    """The last rule that matches."""
    if not _any_of(rules).fullmatch(name):
        return None
    for rule in reversed(rules):
        if (is_directory or not rule.directories_only) and rule.pattern.fullmatch(name):
            return rule
    return None


@lru_cache(maxsize=1000)
def _any_of(rules: tuple[Rule, ...]) -> re.Pattern[bytes]:
    """One expression for all of them: most names match none."""
    return re.compile(b"|".join(b"(?:%s)" % rule.pattern.pattern for rule in rules), re.DOTALL)


def default_rules() -> tuple[Rule, ...]:
    """The rules that hold everywhere; `!name` in an ignore file takes one back."""
    return tuple(_rules((name.encode(), f"default: {name}") for name in DEFAULTS))


def parse_rules(data: bytes, name: str) -> tuple[Rule, ...]:
    """The rules in the bytes of the file `name`; lines without a rule are skipped."""
    lines = data.removeprefix(_BOM).split(b"\n")
    return tuple(_rules((line, f"{name}:{number}") for number, line in enumerate(lines, 1)))


def _rules(lines: Iterable[tuple[bytes, str]]) -> Iterator[Rule]:
    for line, source in lines:
        with suppress(NoMatch):
            rule = _parse(_trimmed(line.removesuffix(b"\r")), source)
            if rule:
                yield rule


def _parse(line: bytes, source: str) -> Rule | None:
    if line.startswith(b"#"):
        return None
    takes_back = line.startswith(b"!")
    body = line.removeprefix(b"!")
    directories_only = body.endswith(b"/")
    body = body.removesuffix(b"/")
    is_anchored = b"/" in body
    body = body.removeprefix(b"/")
    if not body:
        return None
    made = expression(body)
    if not is_anchored:
        made = b"(?:.*/)?" + made
    return Rule(re.compile(made, re.DOTALL), source, takes_back, directories_only)


def _trimmed(line: bytes) -> bytes:
    """Without the blanks at its end; an escaped one is none of them."""
    bare = line.rstrip(b" ")
    escapes = len(bare) - len(bare.rstrip(b"\\"))
    return line[: len(bare) + escapes % 2]
