"""The few characters beyond ASCII that are drawn, and what stands for them elsewhere."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Glyphs:
    """`steps` are bars of growing height, the first one empty."""

    steps: str
    full: str
    empty: str
    more: str
    mark: str
    rest: str
    dot: str
    up: str
    down: str


UNICODE = Glyphs(" ▁▂▃▄▅▆▇█", "█", "░", "…", "●", "▒", "·", "▲", "▼")
ASCII = Glyphs(" .:-=+*#@", "#", ".", "~", "*", "~", "-", "^", "v")


def glyphs_for(environ: Mapping[str, str], *, ascii_only: bool = False) -> Glyphs:
    """What the terminal's locale can show: the first of LC_ALL, LC_CTYPE, LANG that is set."""
    locale = next((environ[n] for n in ("LC_ALL", "LC_CTYPE", "LANG") if environ.get(n)), "")
    speaks = "utf-8" in locale.lower() or "utf8" in locale.lower()
    return UNICODE if speaks and not ascii_only and environ.get("TERM") != "linux" else ASCII
