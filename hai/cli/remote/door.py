"""A service of a task in the browser here, through the platform's door."""

from __future__ import annotations

import time
import webbrowser
from typing import TYPE_CHECKING

from hai.errors import NotFound, Unavailable

if TYPE_CHECKING:
    from hai.cli.session import Session

READY_SECONDS = 120.0  # for a service to answer
_LOOK_SECONDS = 0.5


def ticket(session: Session, ref: str, service: str) -> str | None:
    """An address that enters once, when the service answers; None where there is no door.
    Unavailable when it does not answer for long."""
    deadline = time.monotonic() + (session.limit_seconds or READY_SECONDS)
    while True:
        try:
            url: str = session.client.call("door", body={"service": service}, ref=ref)["url"]
        except NotFound as error:
            if error.details.get("door") is False or _is_of_an_older_server(error):
                return None
            raise
        except Unavailable:
            if time.monotonic() > deadline:
                raise
        else:
            return url
        time.sleep(_LOOK_SECONDS)


def enter(session: Session, url: str, service: str, *, with_browser: bool, prints: bool) -> None:
    """Open it, or only say where it is."""
    if prints:
        session.output.text(url)
        return
    session.stderr.say(f"{service}, once, within a minute: {url}")
    if with_browser and not webbrowser.open(url):
        session.stderr.warn("no browser could be opened here")


def _is_of_an_older_server(error: NotFound) -> bool:
    """It does not know the route: nothing of what it says about a task."""
    return error.message.endswith("/door: Not Found")
