"""git's patterns for paths as regular expressions over bytes. Pure.

    *  ?  [a-z] [!a-z] [[:alpha:]]   within one name;  **  any number of directories;  \\  literally

Checked against `git check-ignore` (docs/decisions/0017-ignore-files-as-git-reads-them.md).
"""

import re

_SLASH = ord("/")
_CLASSES = {
    b"alpha": rb"[a-zA-Z]",
    b"digit": rb"[0-9]",
    b"alnum": rb"[a-zA-Z0-9]",
    b"upper": rb"[A-Z]",
    b"lower": rb"[a-z]",
    b"xdigit": rb"[0-9a-fA-F]",
    b"space": rb"[ \t\r\n\v\f]",
    b"blank": rb"[ \t]",
    b"punct": rb"[!-/:-@\[-`{-~]",
    b"cntrl": rb"[\x00-\x1f\x7f]",
    b"print": rb"[ -~]",
    b"graph": rb"[!-~]",
}


class NoMatch(Exception):
    """The pattern is broken: git takes it for one that matches nothing."""


def expression(glob: bytes) -> bytes:
    """The regular expression of a pattern from the top. Raises NoMatch."""
    text, at = b"", 0
    while at < len(glob):
        if glob.startswith(b"**", at) and glob[at - 1 : at] in (b"", b"/"):
            if glob.startswith(b"**/", at):
                text, at = text + b"(?:.*/)?", at + 3
                continue
            if at + 2 == len(glob):
                return text + b".*"
        piece, at = _next(glob, at)
        text += piece
    return text


def _next(glob: bytes, at: int) -> tuple[bytes, int]:
    """The expression of what stands at `at`, and where the rest begins."""
    char = glob[at : at + 1]
    if char == b"*":
        return b"[^/]*", at + 1
    if char == b"?":
        return b"[^/]", at + 1
    if char == b"[":
        members, end = _set(glob, at + 1)
        listed = b"".join(b"\\x%02x" % member for member in sorted(members))
        return (b"[" + listed + b"]" if listed else b"(?!)"), end
    if char == b"\\":
        at += 1
    return re.escape(_byte(glob, at)), at + 1


def _byte(glob: bytes, at: int) -> bytes:
    if at >= len(glob):
        raise NoMatch
    return glob[at : at + 1]


def _set(glob: bytes, at: int) -> tuple[set[int], int]:
    """The bytes that a set takes, and where the rest begins; `at` is behind its bracket."""
    is_negated = _byte(glob, at) in (b"!", b"^")
    at += is_negated
    members: set[int] = set()
    before = -1  # what a range may begin with
    is_first = True
    while is_first or _byte(glob, at) != b"]":
        is_first = False
        if glob[at : at + 1] == b"-" and before >= 0 and glob[at + 1 : at + 2] not in (b"", b"]"):
            last, at = _literal(glob, at + 1)
            members.update(range(before, last + 1))
            before = -1
        elif named := _named(glob, at):
            found, at = named
            members |= found
            before = -1
        else:
            before, at = _literal(glob, at)
            members.add(before)
    if is_negated:
        members = set(range(256)) - members
    return members - {_SLASH}, at + 1


def _literal(glob: bytes, at: int) -> tuple[int, int]:
    if _byte(glob, at) == b"\\":
        at += 1
    return _byte(glob, at)[0], at + 1


def _named(glob: bytes, at: int) -> tuple[set[int], int] | None:
    """The members of `[:name:]`; None where none stands."""
    if not glob.startswith(b"[:", at):
        return None
    end = glob.find(b"]", at + 2)
    if end < 0:
        raise NoMatch
    if end == at + 2 or glob[end - 1 : end] != b":":
        return None
    listed = _CLASSES.get(glob[at + 2 : end - 1])
    if listed is None:
        raise NoMatch
    return {code for code in range(256) if re.match(listed, bytes([code]))}, end + 1
