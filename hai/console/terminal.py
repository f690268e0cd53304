"""What the terminal can show: colour, width, characters. No other module looks at it."""

import codecs
import io
import shutil
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TextIO

from hai.core.visible import INVISIBLE, shown
from hai.errors import InvalidInput

_CODES = {"red": "31", "green": "32", "yellow": "33", "blue": "34", "cyan": "36", "dim": "2"}
_ASCII = {"…": "~", "→": ">"}


@dataclass(frozen=True, slots=True)
class Palette:
    """Colour is never the only signal: painted text says the same without it."""

    enabled: bool

    def paint(self, text: str, colour: str) -> str:
        return f"\x1b[{_CODES[colour]}m{text}\x1b[0m" if self.enabled and text else text


def wants_colour(choice: str, environ: Mapping[str, str], *, is_terminal: bool) -> bool:
    """`choice` is --color (auto, always, never); then NO_COLOR, CLICOLOR_FORCE, CLICOLOR=0, TERM.

    Raises InvalidInput for another choice.
    """
    if choice not in ("auto", "always", "never"):
        raise InvalidInput(
            f"{choice!r} is no value of --color", hint="choose auto, always or never"
        )
    if choice != "auto":
        return choice == "always"
    if environ.get("NO_COLOR"):
        return False
    if environ.get("CLICOLOR_FORCE", "0") not in ("", "0"):
        return True
    plain = environ.get("TERM") == "dumb" or environ.get("CLICOLOR") == "0"
    return is_terminal and not plain


def output_width(stream: TextIO) -> int | None:
    """Columns of the terminal behind `stream`; None when it is none (then nothing is cut)."""
    return shutil.get_terminal_size().columns if stream.isatty() else None


def text_width(text: str) -> int:
    """Columns that `text` takes: wide characters take two, combining ones none."""
    if text.isascii():
        return len(text)
    return sum(_char_width(char) for char in text)


def cut_to(text: str, width: int) -> str:
    """`text` in at most `width` columns, with an ellipsis where something is missing."""
    if text_width(text) <= width:
        return text
    taken, used = [], 1
    for char in text:
        used += _char_width(char)
        if used > width:
            break
        taken.append(char)
    return "".join(taken) + "…" if width > 0 else ""


def printable(text: str) -> str:
    """Names and messages with control and invisible characters made visible: they must not drive a
    terminal."""
    return shown(text)


def safe_stream(stream: TextIO) -> TextIO:
    """`stream` made unable to raise UnicodeEncodeError: undecoded bytes go out as they came in,
    what the terminal's encoding lacks has an ASCII stand-in."""
    if isinstance(stream, io.TextIOWrapper) and stream.errors != "hai-terminal":
        codecs.register_error("hai-terminal", _stand_in)
        stream.reconfigure(errors="hai-terminal")
    return stream


def _char_width(char: str) -> int:
    if unicodedata.category(char) in ("Mn", "Me") or INVISIBLE.match(char):
        return 0
    if "\u1160" <= char <= "\u11ff" or "\ud7b0" <= char <= "\ud7ff":
        return 0  # they join the Korean letter before them
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1


def _stand_in(error: UnicodeError) -> tuple[str | bytes, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    char = error.object[error.start]
    if 0xDC80 <= ord(char) <= 0xDCFF:
        return bytes([ord(char) - 0xDC00]), error.start + 1
    return _ASCII.get(char, "?"), error.start + 1
