"""Columns of a table: which are shown at a width, and how wide each is. Pure."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from hai.tui.text import Line, Span, cut, fit, width_of

GAP = 1
_FIRST_FOR_THE_LAST = 20  # columns that the growing one gets before others get more


@dataclass(frozen=True, slots=True)
class TableColumn:
    """`width` columns at least, and up to `most` where there is room; the one with `grows` takes
    what is left. `from_width`: shown only on terminals at least that wide. `sort` gives a value to
    order rows by, `letter` its key."""

    title: str
    width: int
    cell: Callable[[Any, Any], Span]
    right: bool = False
    grows: bool = False
    most: int = 0
    from_width: int = 0
    letter: str = ""
    sort: Callable[[Any], Any] | None = None


def laid_out(columns: Sequence[TableColumn], width: int) -> list[tuple[TableColumn, int]]:
    """Columns that are shown in `width`, with their widths. The last one fills the line."""
    shown = [column for column in columns if column.from_width <= width]
    left = width - sum(column.width for column in shown) - GAP * (len(shown) - 1)
    growing = next((column for column in shown if column.grows), None) or next(
        (column for column in shown if column.most), shown[-1]
    )  # where it is narrow, what may be long gets shorter, and no number is cut
    widths = []
    spare = left - _FIRST_FOR_THE_LAST
    for column in shown:
        more = max(0, min(column.most - column.width, spare))
        spare, left = spare - more, left - more
        widths.append(column.width + more)
    widths[shown.index(growing)] += left
    return [(column, max(0, room)) for column, room in zip(shown, widths, strict=True)]


def header(layout: Sequence[tuple[TableColumn, int]], sorted_by: str, arrow: str) -> str:
    """The line of titles; the column that rows are sorted by carries an arrow."""
    titles = []
    for column, width in layout:
        marked = bool(sorted_by) and column.letter == sorted_by
        title = column.title + (arrow if marked else "")
        titles.append(fit(title, width, right=column.right, more=""))
    return (" " * GAP).join(titles)


def row_line(row: Any, context: Any, layout: Sequence[tuple[TableColumn, int]], more: str) -> Line:
    """The cells of one row, fitted to their columns."""
    line: Line = []
    for column, width in layout:
        text, role = column.cell(row, context)
        if line:
            line.append((" " * GAP, ""))
        line.append((fit(text, width, right=column.right, more=more), role))
    return line


def shortened(line: Line, width: int, more: str) -> Line:
    """The line in at most `width` columns."""
    kept: Line = []
    left = width
    for text, role in line:
        if width_of(text) > left:
            kept.append((cut(text, left, more), role))
            return kept
        kept.append((text, role))
        left -= width_of(text)
    return kept
