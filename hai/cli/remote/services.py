"""The services beside a task's program: what they do, and orders for them, by its channel."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hai.agent.channel.loop import Part, PollLoop
from hai.agent.channel.mux import Handler
from hai.cli.remote.link import CommandChannel, failed

if TYPE_CHECKING:
    from hai.cli.session import Session
    from hai.errors import HaiError

VERBS = ("start", "stop", "restart")


class _Order(Handler, Part):
    """One order and its answer."""

    def __init__(self, link: CommandChannel, loop: PollLoop, service: str, verb: str) -> None:
        self.services: dict[str, Any] | None = None
        self.error: HaiError | None = None
        self._link = link
        self._loop = loop
        link.mux.open(self, kind="services", service=service, verb=verb)

    def on_ready(self, info: dict[str, Any]) -> None:
        told = info.get("services")
        self.services = told if isinstance(told, dict) else {}
        self._loop.stop()

    def on_close(self, message: dict[str, Any]) -> None:
        if self.services is None:
            self.error = failed(message, self._link)
            self._loop.stop()


def order(session: Session, ref: str, rank: int, service: str, verb: str) -> dict[str, Any]:
    """The state of that rank's services when it is done. PlatformError when it cannot be."""
    loop = PollLoop()
    link = CommandChannel(session, ref, rank, loop)
    one = _Order(link, loop, service, verb)
    link.start()
    if one.services is None and one.error is None:  # else it came with the server's answer
        loop.run()
    link.close()
    if one.error is not None:
        raise one.error
    return one.services or {}
