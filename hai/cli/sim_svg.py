"""Draws occupancy and waits over time as an SVG that reads on light and on dark pages. Pure."""

from collections.abc import Sequence
from itertools import groupby
from xml.sax.saxutils import escape

from hai.core.duration import human_time
from hai.core.simulation.series import Series

BINS = 240
_WIDTH, _HEIGHT = 860, 420
_LEFT, _RIGHT = 80, 840
_PANELS = ((56, 186), (236, 366))  # top and bottom of each
_STEPS = (  # seconds between the times that are marked
    *(1, 5, 15, 60, 300, 900),
    *(3600 * hours for hours in (1, 3, 6, 12)),
    *(86400 * days for days in (1, 2, 5, 10, 20, 50, 100, 200, 500)),
)
_GREY, _BLUE, _ORANGE = "#808080", "#3b82c4", "#d9822b"  # seen on white and on black alike


def chart_svg(curves: Series, title: str) -> str:
    """The whole file."""
    longest = max((wait for wait in curves.wait_s if wait is not None), default=0.0) or 1.0
    occupied, waits = _PANELS
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" '
        f'width="{_WIDTH}" height="{_HEIGHT}" role="img" font-family="sans-serif" font-size="12">',
        f"<title>{escape(title)}</title>",
        _text(_LEFT, 20, title, size=14),
        _text(_LEFT, 44, "share of the nodes that are held"),
        *_axes(occupied, [(0.0, "0 %"), (0.5, "50 %"), (1.0, "100 %")]),
        _area(curves.occupancy, 1.0, occupied, _BLUE),
        _text(_LEFT, 224, "average wait, by time of submission"),
        *_axes(waits, [(part, human_time(longest * part)) for part in (0.0, 0.5, 1.0)]),
        _area(curves.wait_s, longest, waits, _ORANGE),
        *_times(curves.edges_s),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _text(x: float, y: float, text: str, *, anchor: str = "start", size: int = 12) -> str:
    return (
        f'<text x="{x:g}" y="{y:g}" fill="{_GREY}" font-size="{size}" '
        f'text-anchor="{anchor}">{escape(text)}</text>'
    )


def _line(x1: float, y1: float, x2: float, y2: float, opacity: float) -> str:
    return (
        f'<line x1="{x1:g}" y1="{y1:g}" x2="{x2:g}" y2="{y2:g}" '
        f'stroke="{_GREY}" stroke-opacity="{opacity:g}"/>'
    )


def _axes(panel: tuple[int, int], marks: Sequence[tuple[float, str]]) -> list[str]:
    top, bottom = panel
    parts = [_line(_LEFT, top, _LEFT, bottom, 1)]
    for share, label in marks:
        y = bottom - share * (bottom - top)
        parts.append(_line(_LEFT, y, _RIGHT, y, 1 if share == 0 else 0.3))
        parts.append(_text(_LEFT - 8, y + 4, label, anchor="end"))
    return parts


def _area(
    values: Sequence[float | None], top_value: float, panel: tuple[int, int], colour: str
) -> str:
    """A filled step curve; where there is no value it lies on the ground."""
    top, bottom = panel
    step = (_RIGHT - _LEFT) / len(values)
    heights = [round((value or 0.0) / top_value * (bottom - top), 1) for value in values]
    points, right = [f"M{_LEFT},{bottom}"], float(_LEFT)
    for height, equal in groupby(heights):
        right += sum(1 for _ in equal) * step
        points.append(f"V{bottom - height:g}H{right:g}")
    path = "".join(points) + f"V{bottom}Z"
    return f'<path d="{path}" fill="{colour}" fill-opacity="0.55" stroke="{colour}"/>'


def _times(edges: Sequence[float]) -> list[str]:
    """Times since the first submission, below the lower panel."""
    span = edges[-1] - edges[0]
    bottom = _PANELS[-1][1]
    parts = []
    for at in _round_times(span):
        x = round(_LEFT + at / (span or 1.0) * (_RIGHT - _LEFT), 1)
        parts.append(_line(x, bottom, x, bottom + 5, 1))
        parts.append(_text(x, bottom + 20, human_time(at), anchor="middle"))
    middle = (_LEFT + _RIGHT) / 2
    return [*parts, _text(middle, _HEIGHT - 12, "time since the first submission", anchor="middle")]


def _round_times(span: float) -> list[float]:
    """A few times from 0 on, of round numbers."""
    step = next((step for step in _STEPS if span / step <= 8), _STEPS[-1])
    return [float(step * number) for number in range(int(span / step) + 1)]
