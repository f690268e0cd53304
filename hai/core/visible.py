"""Characters that are not seen, or that change how others are seen: they have no place in a name,
and where somebody else's text is shown they are made visible."""

import re

# Zero width, direction, tags, separators, fillers: Unicode's format characters and their like.
_RANGES = (
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e\u2060-\u206f"
    "\u3164\ufeff\uffa0\ufff0-\ufffb\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)
INVISIBLE = re.compile(f"[{_RANGES}]")
_CONTROL = re.compile(f"[\x00-\x08\x0b-\x1f\x7f-\x9f{_RANGES}]")


def shown(text: str) -> str:
    """`text` with control and invisible characters as \\x1b, \\u200b or \\U000e0041; line ends and
    tabs stay."""
    if text.isascii() and text.isprintable():
        return text
    return _CONTROL.sub(lambda found: _code(ord(found.group())), text)


def _code(code: int) -> str:
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
