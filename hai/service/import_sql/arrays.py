"""PostgreSQL's array literals: {a,"b c",NULL}."""

import re

_ITEM = re.compile(r'\s*(?:"((?:[^"\\]|\\.)*)"|([^"{},\\]*(?:\\.[^"{},\\]*)*))\s*', re.DOTALL)
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)


def parse_array(text: str) -> list[str | None]:
    """The items of a one-dimensional array; ValueError if the text is none."""
    body = text.strip()
    if not (body.startswith("{") and body.endswith("}") and len(body) >= 2):
        raise ValueError(f"{text[:40]!r} is no array: write '{{a,b}}' or ARRAY['a', 'b']")
    body = body[1:-1]
    if not body.strip():
        return []
    items: list[str | None] = []
    at = 0
    while True:
        match = _ITEM.match(body, at)
        if match is None or match.end() == at:
            raise ValueError(f"{text[:40]!r} has an item that is empty or not closed")
        items.append(_item(match, text))
        at = match.end()
        if at == len(body):
            return items
        if body[at] != ",":
            raise ValueError(f"{text[:40]!r} is no array of plain items")
        at += 1


def _item(match: re.Match[str], text: str) -> str | None:
    quoted, bare = match.groups()
    if quoted is not None:
        return _ESCAPE.sub(r"\1", quoted)
    if not bare.strip():
        raise ValueError(f"{text[:40]!r} has an empty item")
    word = bare.strip()
    return None if word.upper() == "NULL" else _ESCAPE.sub(r"\1", word)


def array_literal(items: list[str]) -> str:
    """The inverse."""
    quoted = (item.replace("\\", "\\\\").replace('"', '\\"') for item in items)
    return "{" + ",".join(f'"{item}"' for item in quoted) + "}"
