"""One channel of a command: connected, looped, its failures as HaiError."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING, Any

from hai.agent.channel.loop import ChannelSocket, PollLoop
from hai.agent.channel.mux import Mux
from hai.client.channel import OPEN_SECONDS, connect
from hai.errors import HaiError, PlatformError, Unavailable

if TYPE_CHECKING:
    from hai.cli.session import Session


class CommandChannel:
    """`lost` is why the connection is over, once it is; a loop may have several."""

    def __init__(self, session: Session, ref: str, rank: int, loop: PollLoop) -> None:
        self.ref, self.rank = ref, rank
        self.lost: str | None = None
        limit = session.limit_seconds or OPEN_SECONDS
        self.socket = connect(session.profile, ref, rank, limit)
        self.mux = Mux(self.socket)
        self._line = ChannelSocket(self.socket, self.mux, self._on_lost)
        loop.parts.append(self._line)

    def start(self) -> None:
        """What came with the server's answer; after the first streams are open."""
        self._line.feed()

    def close(self) -> None:
        self.socket.close()

    def _on_lost(self, why: str) -> None:
        self.lost = why

    def failure(self) -> HaiError:
        """What the loss means for whoever still wanted something."""
        where = f"rank {self.rank} of task {self.ref}"
        if self.lost:
            return Unavailable(f"the connection to {where} is over: {self.lost}")
        return Unavailable(
            f"the connection to {where} was lost", hint="run the command again to reconnect"
        )


def unblocked(fd: int) -> int:
    """A descriptor of the same output whose writes never wait: somebody who reads slowly (a pager,
    a terminal that stands still) must not keep this command from answering the server. Whoever
    shares the output with us keeps it as it is, where that can be had."""
    if stat.S_ISREG(os.fstat(fd).st_mode):
        return fd  # it never waits, and another descriptor would have another position
    try:
        return os.open(f"/proc/self/fd/{fd}", os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY)
    except OSError:  # a socket, or no /proc
        os.set_blocking(fd, False)
        return fd


def failed(message: dict[str, Any], link: CommandChannel) -> HaiError:
    """The error that a stream's last message stands for."""
    if message.get("error"):
        return PlatformError(f"rank {link.rank} of task {link.ref}: {message['error']}")
    return link.failure()
