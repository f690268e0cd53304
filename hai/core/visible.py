"""Characters that are not seen, or that change how others are seen: they have no place in a name,
and where somebody else's text is shown they are made visible."""

import re
import unicodedata

# Zero width, direction, tags, separators, fillers, shorthand controls: Unicode's default-ignorable
# and format characters; but not the selectors of a form, which emoji have.
RANGES = (
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e\u2060-\u206f"
    "\u3164\ufeff\uffa0\ufff0-\ufffb\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)
INVISIBLE = re.compile(f"[{RANGES}]")
_CONTROL = re.compile(f"[\x00-\x08\x0b-\x1f\x7f-\x9f{RANGES}]")
# Selectors and skin tones: terminals do not agree on how wide an emoji is that has one.
_DISPUTED = re.compile("[\ufe00-\ufe0f\U0001f3fb-\U0001f3ff]")
_BLANK = "\u2800"  # a pattern of Braille without a dot, which is no space to Unicode


def has_something_to_see(text: str) -> bool:
    """Whether at least one character has a shape of its own: no blank, mark or control."""
    return any(
        unicodedata.category(char)[0] not in "ZCM"
        and char not in _BLANK
        and not INVISIBLE.match(char)
        for char in text
    )


def undisputed(text: str) -> str:
    """`text` without what terminals draw in different widths: for tables."""
    return text if text.isascii() else _DISPUTED.sub("", text)


def shown(text: str) -> str:
    """`text` with control and invisible characters as \\x1b, \\u200b or \\U000e0041; line ends and
    tabs stay."""
    if text.isascii() and text.isprintable():
        return text
    return _CONTROL.sub(lambda found: code_of(found.group()), text)


def code_of(char: str) -> str:
    """\\x1b, \\u200b or \\U000e0041."""
    code = ord(char)
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
