"""-w on lists: the same view again and again until Ctrl-C."""

import time
from collections.abc import Callable
from typing import Annotated

from hai.cli.session import Session
from hai.console.commands import option
from hai.console.errors import INTERRUPTED
from hai.errors import Unavailable, Unreachable

INTERVAL_SECONDS = 2.0
_HOME_AND_CLEAR = "\x1b[H\x1b[J"

Watch = Annotated[bool, option("-w", "--watch", help="Show it anew every 2 s until Ctrl-C.")]


def watching(
    session: Session,
    show: Callable[[], None],
    *,
    watch: bool,
    wait: Callable[[float], object] = time.sleep,
) -> None:
    """Calls `show` once, or for ever. On a terminal each view replaces the last one."""
    if not watch:
        show()
        return
    redraws = session.output.stream.isatty() and session.environ.get("TERM") != "dumb"
    lost = False
    try:
        while True:
            if redraws:
                session.output.raw(_HOME_AND_CLEAR)
            try:
                show()
                lost = False
            except (Unreachable, Unavailable):
                if not lost:
                    session.stderr.say("connection lost, retrying")
                lost = True
            wait(INTERVAL_SECONDS)
    except KeyboardInterrupt:
        raise SystemExit(INTERRUPTED) from None
