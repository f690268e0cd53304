"""Pictures of screens, kept as SVG beside the tests. HAI_UPDATE_SNAPSHOTS=1 takes them anew; look
at the difference before it is committed."""

import re
from pathlib import Path

from hai.tui.app import HaiTop

FOLDER = Path(__file__).parent / "snapshots"
_FONTS = re.compile(r"@font-face \{.*?\}\s*", re.DOTALL)
_UNIQUE = re.compile(r"terminal-\d+")


def picture(app: HaiTop) -> str:
    """The screen as SVG without anything that differs from run to run or comes from elsewhere."""
    svg = app.export_screenshot(title="hai top", simplify=True)
    svg = _FONTS.sub("", svg)
    svg = _UNIQUE.sub("terminal", svg)
    svg = svg.replace("Fira Code", "DejaVu Sans Mono")
    return "\n".join(line.rstrip() for line in svg.splitlines()) + "\n"


def check_picture(app: HaiTop, name: str, *, update: bool) -> None:
    """AssertionError when it looks different; the new look is left beside the old one."""
    path, failed = FOLDER / f"{name}.svg", FOLDER / f"{name}.new.svg"
    now = picture(app)
    if update:
        FOLDER.mkdir(exist_ok=True)
        path.write_text(now)
        return
    assert path.exists(), f"there is no picture {path}: HAI_UPDATE_SNAPSHOTS=1 takes it"
    if path.read_text() != now:
        failed.write_text(now)
        raise AssertionError(f"{path.name} looks different: compare it with {failed}")
    failed.unlink(missing_ok=True)
