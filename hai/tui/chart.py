"""Bars, sparklines and timelines out of characters. Pure."""

from collections.abc import Sequence

from hai.tui.glyphs import Glyphs
from hai.tui.text import Line


def bar(part: float, whole: float, width: int, glyphs: Glyphs) -> tuple[str, str]:
    """The filled and the empty part of a bar, together `width` columns."""
    filled = 0 if whole <= 0 else round(width * min(1.0, max(0.0, part / whole)))
    if part > 0 and filled == 0 and width > 0:
        filled = 1  # something is not nothing
    return glyphs.full * filled, glyphs.empty * (width - filled)


def bar_line(part: float, whole: float, width: int, role: str, glyphs: Glyphs) -> Line:
    full, empty = bar(part, whole, width, glyphs)
    return [(full, role), (empty, "faint")]


def resampled(values: Sequence[float], width: int) -> list[float]:
    """At most `width` values, the newest last; each the mean of those that it stands for."""
    if len(values) <= width or width <= 0:
        return list(values)
    found = []
    for column in range(width):
        first = column * len(values) // width
        part = values[first : max(first + 1, (column + 1) * len(values) // width)]
        found.append(sum(part) / len(part))
    return found


def sparkline(
    values: Sequence[float],
    width: int,
    glyphs: Glyphs,
    *,
    top: float | None = None,
    height: int = 1,
) -> list[str]:
    """`height` rows of text, the upper one first; right-aligned: now is at the right edge."""
    shown = resampled(values, width)
    most = max([top or 0.0, *shown, 1e-9])
    steps = len(glyphs.steps) - 1
    levels = [round(value / most * steps * height) for value in shown]
    levels = [max(level, 1 if value > 0 else 0) for level, value in zip(levels, shown, strict=True)]
    rows = []
    for row in range(height - 1, -1, -1):
        marks = [glyphs.steps[max(0, min(steps, level - row * steps))] for level in levels]
        rows.append("".join(marks).rjust(width))
    return rows


def stretches(
    spans: Sequence[tuple[float, float, str]], start: float, end: float, width: int
) -> list[str]:
    """The role of each of `width` columns between `start` and `end`; "" where nothing was.

    `spans` are (from, to, role). Whatever lasted gets a column, however short it was.
    """
    columns = [""] * width
    scale = width / max(end - start, 1e-9)
    for first, last, role in spans:
        begin = min(width - 1, max(0, int((first - start) * scale)))
        stop = min(width, max(begin + 1, round((last - start) * scale)))
        columns[begin:stop] = [role] * (stop - begin)
    return columns
