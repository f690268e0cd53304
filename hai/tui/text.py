"""Words and numbers as cells of a table. Pure; colours are named by role, not by value.

A span is (text, role); a line is a list of spans. Widgets turn roles into the theme's styles.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime

from rich.cells import cell_len, chop_cells

from hai.core.moments import unix_seconds
from hai.core.visible import INVISIBLE, RANGES, code_of, undisputed

_MARKS = 4  # characters in one column, at most: a letter and its accents
Span = tuple[str, str]
Line = list[Span]
Build = Callable[[int], Sequence[Line]]  # the lines of a page, by its width

# What moves the cursor, turns the writing round, or takes no column: all that could forge a line.
_CONTROL = re.compile(f"[\x00-\x1f\x7f-\x9f{RANGES}\ud800-\udfff]")
_ESCAPE = re.compile(r"\x1b(?:\[[0-9;:?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\-_])")


def at_of(text: str | None) -> float | None:
    """RFC 3339 as Unix seconds; None for None."""
    return None if text is None else unix_seconds(text)


def clock_of(at: float | None, *, date: bool = False) -> str:
    """Local time of day, with the date on demand."""
    if at is None:
        return "-"
    moment = datetime.fromtimestamp(at).astimezone()
    return moment.strftime("%Y-%m-%d %H:%M:%S" if date else "%H:%M:%S")


def precise_clock_of(text: str) -> str:
    """Local time of day of an RFC 3339 moment, to the millisecond: always twelve characters."""
    return datetime.fromtimestamp(unix_seconds(text)).astimezone().strftime("%H:%M:%S.%f")[:12]


def size_of(count: float) -> str:
    """Bytes in binary units: 512B, 1.5G."""
    for unit in ("B", "K", "M", "G"):
        if abs(count) < 1024:
            return f"{count:.0f}{unit}" if unit == "B" or count >= 10 else f"{count:.1f}{unit}"
        count /= 1024
    return f"{count:.1f}T"


def count_of(number: int, noun: str) -> str:
    """1 task, 12 tasks."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def printable(text: str) -> str:
    """`text` without colour codes, control characters made visible: nothing drives the terminal."""
    text = undisputed(text)
    if text.isprintable() and (text.isascii() or not INVISIBLE.search(text)):
        return text
    text = _ESCAPE.sub("", text).replace("\t", "    ")
    return _CONTROL.sub(lambda found: code_of(found.group()), text)


def width_of(text: str) -> int:
    """Columns of the terminal that `text` takes, as the drawing library counts them."""
    return len(text) if text.isascii() else cell_len(text)


def cut(text: str, width: int, more: str = "…") -> str:
    """`text` in at most `width` columns; `more` stands where something is missing."""
    if len(text) <= width and width_of(text) <= width:
        return text
    if width <= 0:
        return ""
    room = width - len(more)
    kept = pieces(text[: width * _MARKS], room)[0] if room > 0 else ""
    return (kept if width_of(kept) <= room else "") + more


def fit(text: str, width: int, *, right: bool = False, more: str = "…") -> str:
    """Exactly `width` columns."""
    shown = cut(text, width, more)
    blanks = " " * (width - width_of(shown))
    return blanks + shown if right else shown + blanks


def pieces(text: str, width: int) -> list[str]:
    """`text` wrapped hard at `width` columns; one empty piece for an empty text."""
    if not text or width <= 0:
        return [text]
    if text.isascii():
        return [text[at : at + width] for at in range(0, len(text), width)]
    return chop_cells(text, width)


def wrapped(text: str, width: int) -> list[str]:
    """`text` wrapped at blanks where that is possible; each line keeps its paragraph's indent."""
    lines: list[str] = []
    for paragraph in text.split("\n"):
        body = paragraph.lstrip(" ")
        indent = " " * min(len(paragraph) - len(body), max(0, width // 2))
        room = max(1, width - len(indent))
        line = ""
        for word in body.split(" "):
            grown = f"{line} {word}" if line else word
            if width_of(grown) <= room:
                line = grown
                continue
            lines += [indent + line] if line else []
            *whole, line = pieces(word, room)
            lines += [indent + piece for piece in whole]
        lines.append(indent + line)
    return lines


def line_width(line: Sequence[Span]) -> int:
    return sum(width_of(text) for text, _ in line)


def merged(line: Line) -> Line:
    """Neighbours of one role as one span: less to draw and to send."""
    whole: Line = []
    for text, role in line:
        if whole and whole[-1][1] == role:
            whole[-1] = (whole[-1][0] + text, role)
        else:
            whole.append((text, role))
    return whole


def plain(lines: Iterable[Sequence[Span]]) -> str:
    """Lines as text, for files and pipes."""
    return "".join("".join(text for text, _ in line).rstrip() + "\n" for line in lines)
