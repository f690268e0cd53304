"""JupyterLab of a task in the browser here."""

from __future__ import annotations

import time
import webbrowser
from typing import TYPE_CHECKING, Any

from hai.agent.channel.loop import Part, PollLoop
from hai.agent.channel.mux import Handler
from hai.cli.remote.forward import Forward, listen, run_listeners
from hai.cli.remote.link import CommandChannel, failed
from hai.errors import HaiError, PlatformError

if TYPE_CHECKING:
    from hai.cli.session import Session

READY_SECONDS = 120.0  # for JupyterLab to listen
_LOOK_SECONDS = 0.5
SERVICE = {"service": "jupyter"}


class _Code(Handler, Part):
    """Asks for one code."""

    def __init__(self, link: CommandChannel, loop: PollLoop) -> None:
        self.code = ""
        self.error: HaiError | None = None
        self._link = link
        self._loop = loop
        link.mux.open(self, kind="jupyter")

    def on_ready(self, info: dict[str, Any]) -> None:
        self.code = str(info.get("code"))
        self._loop.stop()

    def on_close(self, message: dict[str, Any]) -> None:
        if not self.code:
            self.error = failed(message, self._link)
            self._loop.stop()


def code_of(session: Session, ref: str) -> str:
    """A code that enters once. PlatformError while JupyterLab does not listen."""
    loop = PollLoop()
    link = CommandChannel(session, ref, 0, loop)
    one = _Code(link, loop)
    link.start()
    loop.run()
    link.close()
    if one.error is not None:
        raise one.error
    return one.code


def serve(
    session: Session, ref: str, port: int, *, with_browser: bool, prints: bool = False
) -> None:
    """Until Ctrl-C (KeyboardInterrupt) or the end of the task (a HaiError)."""
    code = _first_code(session, ref)
    loop = PollLoop()
    link = CommandChannel(session, ref, 0, loop)
    listener = listen(Forward(port, 1))
    here = listener.getsockname()[1]
    url = f"http://127.0.0.1:{here}/lab?code={code}"
    if prints:
        session.output.text(url)
        session.output.flush()
    else:
        session.stderr.say(f"JupyterLab, until Ctrl-C: {url}")
    if with_browser and not webbrowser.open(url):
        session.stderr.warn("no browser could be opened here")
    run_listeners(session, link, loop, [(listener, SERVICE)])


def _first_code(session: Session, ref: str) -> str:
    deadline = time.monotonic() + (session.limit_seconds or READY_SECONDS)
    while True:
        try:
            return code_of(session, ref)
        except PlatformError:
            if time.monotonic() > deadline:
                raise
        time.sleep(_LOOK_SECONDS)
