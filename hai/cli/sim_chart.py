"""Draws occupancy and waits over time with the characters of the terminal. Pure."""

from collections.abc import Sequence

from hai.core.duration import human_time
from hai.core.simulation.series import Series

BLOCKS = " ▁▂▃▄▅▆▇█"
ASCII = " .:#"
_ROWS = 5
_LABEL = 7


def chart_width(terminal: int | None) -> int:
    """Columns of the curves on a terminal of this width (None: no terminal)."""
    return max(20, min(terminal or 80, 120) - _LABEL - 2)


def can_show_blocks(encoding: str | None) -> bool:
    """Whether an output of this encoding has the block characters."""
    try:
        BLOCKS.encode(encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def chart_text(curves: Series, glyphs: str) -> str:
    """Two charts, one above the other; a column is one bin."""
    span = curves.edges_s[-1] - curves.edges_s[0]
    per_column = human_time(span / len(curves.occupancy))
    longest = max((wait for wait in curves.wait_s if wait is not None), default=0.0)
    return "".join(
        line + "\n"
        for line in [
            f"share of the nodes that are held (a column is {per_column})",
            *_bars(curves.occupancy, 1.0, "100 %", glyphs),
            "average wait, by time of submission",
            *_bars(curves.wait_s, longest, human_time(longest), glyphs),
            _scale(span, len(curves.occupancy)),
        ]
    )


def _bars(values: Sequence[float | None], top: float, label: str, glyphs: str) -> list[str]:
    """Rows from the highest to the lowest; what is not nothing shows at least a little."""
    full = len(glyphs) - 1
    filled = [_filled(value, top, _ROWS * full) for value in values]
    lines = []
    for row in reversed(range(_ROWS)):
        cells = "".join(glyphs[min(full, max(0, level - row * full))] for level in filled)
        mark = label if row == _ROWS - 1 else "0" if row == 0 else ""
        lines.append(f"{mark:>{_LABEL}} |{cells}".rstrip())
    return lines


def _filled(value: float | None, top: float, steps: int) -> int:
    if not value or top <= 0:
        return 0
    return max(1, min(steps, round(value / top * steps)))


def _scale(span: float, columns: int) -> str:
    end = human_time(span)
    return " " * (_LABEL + 2) + "0" + end.rjust(columns - 1)
