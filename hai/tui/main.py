"""Starts the dashboard for a profile; also the process behind each visitor of Studio."""

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass

from hai.client.http import HaiClient
from hai.client.profile import Profile
from hai.errors import InvalidInput
from hai.tui.actions import Mode
from hai.tui.app import HaiTop, Opening
from hai.tui.commands import parse_view
from hai.tui.glyphs import UNICODE, glyphs_for
from hai.tui.preferences import Preferences, load_preferences, preferences_path
from hai.tui.themes import ALL_THEMES


@dataclass(frozen=True, slots=True)
class DashboardOptions:
    """What the command line said."""

    read_only: bool = False
    mouse: bool = False
    ascii_only: bool = False
    theme: str = ""
    view: str = "cluster"


def wall_clock() -> float:
    """The machine's time: ages are shown by it."""
    return time.time()  # noqa: TID251 (the process's edge)


def chosen_theme(wanted: str, preferred: str, environ: Mapping[str, str]) -> str:
    """NO_COLOR wins over preferences and gives way to what was typed. InvalidInput for a theme that
    there is not."""
    for name in filter(None, (wanted, preferred)):
        if name not in ALL_THEMES:
            raise InvalidInput(
                f"there is no theme {name!r}", hint=f"themes are {', '.join(ALL_THEMES)}"
            )
    if wanted:
        return wanted
    return "hai-mono" if environ.get("NO_COLOR") else preferred or "hai-dark"


def run(profile: Profile, wishes: DashboardOptions, environ: Mapping[str, str]) -> None:
    """Until the user leaves; HaiError when the server does not want us from the start."""
    parse_view(wishes.view)
    preferences = load_preferences(preferences_path(environ))
    theme = chosen_theme(wishes.theme, preferences.theme, environ)
    start = Opening(
        Mode(read_only=wishes.read_only),
        preferences,
        glyphs_for(environ, ascii_only=wishes.ascii_only),
        wall_clock,
        theme=theme,
        view=wishes.view,
        environ=environ,
    )
    _run(profile, start, mouse=wishes.mouse)


def _run(profile: Profile, start: Opening, *, mouse: bool) -> None:
    app = HaiTop(HaiClient(profile), start)
    app.connect()
    try:
        app.run(mouse=mouse)
    except OSError:
        if app.ended_by is None:  # else the terminal itself went away
            raise
    if app.ended_by is not None:
        raise SystemExit(128 + app.ended_by)
    if app.failure is not None and app.model.received_at is None:
        raise app.failure


def run_for_visitor() -> None:
    """In the browser: the token comes through an inherited pipe, never in a command line or a
    variable; nothing of this machine (files, pager, preferences) is within reach."""
    with os.fdopen(int(os.environ.pop("HAI_TOKEN_PIPE")), "rb") as pipe:
        token = pipe.read().decode("ascii").strip()
    profile = Profile(url=os.environ["HAI_STUDIO_SERVER"], token=token)
    read_only = os.environ.get("HAI_STUDIO_READ_ONLY") == "1"
    mode = Mode(read_only=read_only, in_browser=True)
    start = Opening(mode, Preferences(), UNICODE, wall_clock, environ={})
    _run(profile, start, mouse=True)


if __name__ == "__main__":
    run_for_visitor()
