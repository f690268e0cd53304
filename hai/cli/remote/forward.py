"""Ports of this machine's loopback, each connected to a port in a task."""

from __future__ import annotations

import re
import socket
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hai.agent.channel.loop import Part, PollLoop
from hai.agent.channel.mux import Broken
from hai.agent.channel.tcp import TcpConnection
from hai.cli.remote.link import CommandChannel
from hai.errors import InvalidInput, PlatformError, Unavailable, Unreachable

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from hai.agent.channel.mux import Stream
    from hai.cli.session import Session

_LOOPBACK = "127.0.0.1"
_BACKLOG = 64
_AGAIN_SECONDS = 1.0  # between tries to get a lost channel back
_LAST_TRY_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Forward:
    """`local` 0: any free port."""

    local: int
    remote: int


def parse_forward(text: str) -> Forward:
    """ "8888" (the same here), "9000:8888", ":8888" (any free port here)."""
    match = re.fullmatch(r"(?:(\d{0,5}):)?(\d{1,5})", text)
    if match is None:
        raise InvalidInput(f"{text!r} is no port", hint="8888, or HERE:THERE as 9000:8888")
    remote = int(match[2])
    local = remote if match[1] is None else int(match[1] or 0)
    if not 0 < remote < 65536 or local > 65535:
        raise InvalidInput(f"{text!r} is no port", hint="ports are 1 to 65535")
    return Forward(local, remote)


def listen(forward: Forward) -> socket.socket:
    """PlatformError when somebody is there already."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((_LOOPBACK, forward.local))
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        raise PlatformError(
            f"cannot listen on {_LOOPBACK}:{forward.local}: {(error.strerror or '').lower()}",
            hint=f"another port here: OTHER:{forward.remote}, or :{forward.remote} for a free one",
        ) from None
    listener.setblocking(False)
    return listener


class _Visit(TcpConnection):
    """One connection of somebody here."""

    def __init__(
        self, stream: Stream, sock: socket.socket, loop: PollLoop, session: Session
    ) -> None:
        super().__init__(stream, sock, loop)
        self._session = session

    def on_close(self, message: dict[str, Any]) -> None:
        if message.get("error"):
            self._session.stderr.warn(str(message["error"]))
        super().on_close(message)


class _Listener(Part):
    def __init__(
        self, listener: socket.socket, target: Mapping[str, Any], link: CommandChannel, end: _End
    ) -> None:
        self._listener = listener
        self._target = target
        self._link = link
        self._end = end

    def wants(self) -> Iterable[tuple[int, bool, bool]]:
        yield self._listener.fileno(), True, False

    def ready(self, fd: int, can_read: bool, can_write: bool) -> None:
        try:
            sock, _ = self._listener.accept()
        except OSError:  # whoever knocked has left again
            return
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            stream = self._link.mux.open(None, kind="tcp", **self._target)
        except Broken as error:
            sock.close()
            self._end.session.stderr.warn(str(error))
            return
        _Visit(stream, sock, self._end.loop, self._end.session)


class _End(Part):
    """Stops the loop when the channel is lost."""

    def __init__(self, session: Session, loop: PollLoop, link: CommandChannel) -> None:
        self.session = session
        self.loop = loop
        self._link = link

    def run_once(self) -> None:
        if self._link.lost is not None:
            self.loop.stop()


def run(session: Session, ref: str, rank: int, forwards: Sequence[Forward]) -> None:
    """Until Ctrl-C (KeyboardInterrupt) or the end of the task (a HaiError)."""
    loop = PollLoop()
    link = CommandChannel(session, ref, rank, loop)  # first: a wrong name should not bind a port
    listeners = [(listen(forward), {"port": forward.remote}) for forward in forwards]
    for listener, target in listeners:
        here, port = listener.getsockname()[1], target["port"]
        session.stderr.say(f"{_LOOPBACK}:{here} is port {port} of rank {rank} of task {ref}")
    run_listeners(session, link, loop, listeners)


def run_listeners(
    session: Session,
    link: CommandChannel,
    loop: PollLoop,
    listeners: Sequence[tuple[socket.socket, Mapping[str, Any]]],
) -> None:
    """The same for sockets that listen already; a target is a port or a service there. A channel
    that is lost while the task runs is opened again."""
    while True:
        end = _End(session, loop, link)
        loop.parts += [end, *(_Listener(one, target, link, end) for one, target in listeners)]
        link.start()
        loop.run()
        link.close()
        session.stderr.warn(f"{link.failure().message}; trying to get it back")
        loop = PollLoop()
        link = _again(session, link.ref, link.rank, loop)


def _again(session: Session, ref: str, rank: int, loop: PollLoop) -> CommandChannel:
    """A new channel. Conflict when the task has ended, and other errors that stay."""
    deadline = time.monotonic() + _LAST_TRY_SECONDS
    while True:
        try:
            return CommandChannel(session, ref, rank, loop)
        except (Unreachable, Unavailable):
            if time.monotonic() > deadline:
                raise
        time.sleep(_AGAIN_SECONDS)
