"""From text to tokens, as PostgreSQL reads them (standard_conforming_strings on)."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum, auto

from hai.service.import_sql.text import Source


class Kind(Enum):
    WORD = auto()  # folded to lower case
    QUOTED = auto()  # an identifier in double quotes, as written
    STRING = auto()  # unescaped
    NUMBER = auto()
    MARK = auto()  # ( ) [ ] , ; . = :: + -
    END = auto()


@dataclass(frozen=True, slots=True)
class SqlToken:
    kind: Kind
    text: str
    at: int  # offset

    @property
    def shown(self) -> str:
        return "the end of the file" if self.kind is Kind.END else repr(self.text[:40])


_SPACE = re.compile(r"(?:\s+|--[^\n]*)+")
_WORD = re.compile(r"[^\W\d][\w$]*")
_NUMBER = re.compile(r"(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_MARK = re.compile(r"::|[()\[\],;.=+*-]")
_DOLLAR = re.compile(r"\$(?:[^\W\d]\w*)?\$")
_PLAIN = re.compile(r"'([^']*(?:''[^']*)*)'")
_ESCAPED = re.compile(r"'((?:[^'\\]|''|\\.)*)'", re.DOTALL)
_IDENTIFIER = re.compile(r'"((?:[^"]|"")*)"')
_JOINT = re.compile(r"(?:[^\S\n]|--[^\n]*)*\n\s*(?=')")  # 'a' <newline> 'b' is one string
_COMMENT_MARK = re.compile(r"/\*|\*/")
_ESCAPE = re.compile(
    r"\\(?:([0-7]{1,3})|x([0-9a-fA-F]{1,2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|(.))|''", re.DOTALL
)
_CONTROLS = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
_LARGEST_NUMBER = 40  # characters


def tokens_of(source: Source) -> Iterator[SqlToken]:
    """All tokens and then END; InvalidInput where the text is no SQL."""
    text, at = source.text, 0
    while True:
        at = _skipped(source, at)
        if at >= len(text):
            yield SqlToken(Kind.END, "", len(text))
            return
        token, at = _token(source, at)
        yield token


def _skipped(source: Source, at: int) -> int:
    """Behind white space and comments."""
    text = source.text
    while at < len(text):
        space = _SPACE.match(text, at)
        if space:
            at = space.end()
        elif text.startswith("/*", at):
            at = _behind_comment(source, at)
        else:
            break
    return at


def _behind_comment(source: Source, start: int) -> int:
    depth = 0
    for mark in _COMMENT_MARK.finditer(source.text, start):
        depth += 1 if mark.group() == "/*" else -1
        if depth == 0:
            return mark.end()
    raise source.error(start, "this comment does not end", "close it with */")


def _token(source: Source, at: int) -> tuple[SqlToken, int]:
    text = source.text
    first = text[at]
    if first == "'" or (first in "eE" and text.startswith("'", at + 1)):
        return _string(source, at)
    if first == '"':
        return _identifier(source, at)
    if first == "$":
        return _dollar_quoted(source, at)
    for kind, pattern in ((Kind.NUMBER, _NUMBER), (Kind.WORD, _WORD), (Kind.MARK, _MARK)):
        match = pattern.match(text, at)
        if match:
            return _plain(source, kind, match.group(), at), match.end()
    if first == "\\":
        raise source.error(at, "psql's own commands are not read here", "take this line out")
    raise source.error(at, f"{first!r} is not understood here")


def _plain(source: Source, kind: Kind, found: str, at: int) -> SqlToken:
    behind = source.text[at + len(found) : at + len(found) + 1]
    if kind is Kind.NUMBER and (len(found) > _LARGEST_NUMBER or behind.isalnum() or behind == "_"):
        raise source.error(at, f"{found[:40]!r} is no number")
    if kind is Kind.WORD and behind in ("'", "&"):
        raise source.error(at, f"{found}{behind}... is no kind of string that is read here")
    return SqlToken(kind, found.lower() if kind is Kind.WORD else found, at)


def _string(source: Source, start: int) -> tuple[SqlToken, int]:
    """With the pieces on the following lines."""
    escaped = source.text[start] != "'"
    pattern = _ESCAPED if escaped else _PLAIN
    at, parts = start + escaped, []
    while True:
        match = pattern.match(source.text, at)
        if match is None:
            raise source.error(start, "this string does not end", "close it with '")
        body = match.group(1)
        parts.append(_unescaped(source, body, at) if escaped else body.replace("''", "'"))
        joint = _JOINT.match(source.text, match.end())
        if joint is None:
            return SqlToken(Kind.STRING, "".join(parts), start), match.end()
        at = joint.end()


def _unescaped(source: Source, body: str, at: int) -> str:
    def character(match: re.Match[str]) -> str:
        octal, two, four, eight, other = match.groups()
        if match.group() == "''":
            return "'"
        if other is not None:
            return _CONTROLS.get(other, other)
        code = int(octal, 8) if octal else int(two or four or eight, 16)
        if (
            code == 0
            or code > 0x10FFFF
            or 0xD800 <= code <= 0xDFFF
            or (code > 127 and not (four or eight))
        ):
            raise source.error(
                at, f"{match.group()} is no character", "write it as it is, in UTF-8"
            )
        return chr(code)

    return _ESCAPE.sub(character, body)


def _identifier(source: Source, at: int) -> tuple[SqlToken, int]:
    match = _IDENTIFIER.match(source.text, at)
    if match is None or not match.group(1):
        raise source.error(at, "this name is empty or does not end", 'close it with "')
    return SqlToken(Kind.QUOTED, match.group(1).replace('""', '"'), at), match.end()


def _dollar_quoted(source: Source, at: int) -> tuple[SqlToken, int]:
    tag = _DOLLAR.match(source.text, at)
    if tag is None:
        raise source.error(at, "'$' is not understood here: the value was never filled in")
    end = source.text.find(tag.group(), tag.end())
    if end < 0:
        raise source.error(at, f"this string does not end with {tag.group()}")
    return SqlToken(Kind.STRING, source.text[tag.end() : end], at), end + len(tag.group())
