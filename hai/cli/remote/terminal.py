"""A program in a task at this terminal, or with this command's input and output."""

from __future__ import annotations

import os
import signal
import sys
import termios
import tty
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from hai.agent.channel.loop import Part, PollLoop
from hai.agent.channel.pump import Pump, StreamSink, StreamSource
from hai.cli.remote.link import CommandChannel, failed, unblocked

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from hai.agent.channel.mux import Stream
    from hai.cli.session import Session
    from hai.errors import HaiError


class RemoteProgram(Pump):
    """One program. `exit_code` and `error` are set when it is over and all output is written."""

    def __init__(self, link: CommandChannel, loop: PollLoop) -> None:
        self.link = link
        self.exit_code: int | None = None
        self.error: HaiError | None = None
        self._loop = loop
        self._over: dict[str, Any] | None = None

    def begin(self, **info: Any) -> Stream:
        stream = self.link.mux.open(self, kind="process", **info)
        super().__init__(stream)
        self._loop.parts.append(self)
        return stream

    @property
    def is_done(self) -> bool:
        return self.exit_code is not None or self.error is not None

    def on_close(self, message: dict[str, Any]) -> None:
        self.sources = []
        self._over = message

    def run_once(self) -> None:
        """The end, once everything is out."""
        sinks = (self.sink, self.error_sink)
        if (
            self._over is None
            or self.is_done
            or any(one is not None and one.wants for one in sinks)
        ):
            return
        self.finish()
        code = self._over.get("exit_code")
        if isinstance(code, int):
            self.exit_code = code
        else:
            self.error = failed(self._over, self.link)

    def finish(self) -> None:
        """Nothing more comes."""

    def on_sources_over(self) -> None:
        self.stream.eof()


class _Resizes(Part):
    """Tells the other end the terminal's size whenever it changes."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._has_changed = False
        signal.signal(signal.SIGWINCH, self._changed)

    def _changed(self, _number: int, _frame: object) -> None:
        self._has_changed = True

    def run_once(self) -> None:
        if self._has_changed:
            self._has_changed = False
            self._stream.control(resize=size())


class _Wakes(Part):
    """Signals end the loop's wait."""

    def __init__(self) -> None:
        self._reader, writer = os.pipe()
        os.set_blocking(writer, False)
        signal.set_wakeup_fd(writer, warn_on_full_buffer=False)

    def wants(self) -> list[tuple[int, bool, bool]]:
        return [(self._reader, True, False)]

    def ready(self, fd: int, can_read: bool, can_write: bool) -> None:
        os.read(self._reader, 4096)


class _Until(Part):
    """Stops the loop when all of these are done."""

    def __init__(self, remotes: Sequence[RemoteProgram], loop: PollLoop) -> None:
        self._remotes = remotes
        self._loop = loop

    def run_once(self) -> None:
        if all(one.is_done for one in self._remotes):
            self._loop.stop()


def size() -> list[int]:
    """Rows and columns of this terminal."""
    columns, rows = os.get_terminal_size(0)
    return [rows or 24, columns or 80]


def is_terminal() -> bool:
    return os.isatty(0) and os.isatty(1)


def run_one(session: Session, ref: str, rank: int, argv: Sequence[str]) -> int:
    """The program's exit code. HaiError when it could not be run to its end."""
    loop = PollLoop()
    link = CommandChannel(session, ref, rank, loop)
    remote = RemoteProgram(link, loop)
    at_terminal = is_terminal()
    stream = remote.begin(
        argv=list(argv),
        pty=size() if at_terminal else None,
        term=session.environ.get("TERM", ""),
    )
    remote.sources = [StreamSource(stream, 0)]
    remote.sink = StreamSink(stream, unblocked(1), lambda: None)
    remote.error_sink = StreamSink(stream, unblocked(2), lambda: None)
    loop.parts += [_Wakes(), _Until([remote], loop)]
    if at_terminal:
        loop.parts.append(_Resizes(stream))
    sys.stdout.flush()
    with _raw() if at_terminal else _interrupts([remote]):
        link.start()
        loop.run()
    link.close()
    if remote.error is not None:
        raise remote.error
    return remote.exit_code or 0


@contextmanager
def _raw() -> Iterator[None]:
    """Every key goes to the other end."""
    before = termios.tcgetattr(0)
    signal.signal(signal.SIGTERM, lambda number, _frame: sys.exit(128 + number))
    try:
        tty.setraw(0, termios.TCSADRAIN)  # what was typed ahead stays
        yield
    finally:
        termios.tcsetattr(0, termios.TCSADRAIN, before)


@contextmanager
def _interrupts(remotes: Sequence[RemoteProgram]) -> Iterator[None]:
    """Ctrl-C goes to the programs; the second one ends this command."""
    count = 0

    def interrupted(_number: int, _frame: object) -> None:
        nonlocal count
        count += 1
        if count > 1:
            raise KeyboardInterrupt
        for remote in remotes:
            remote.stream.control(signal=int(signal.SIGINT))

    before = signal.signal(signal.SIGINT, interrupted)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


class _Lines(RemoteProgram):
    """The output of one rank among others: whole lines, each with its rank."""

    _LONGEST = 1 << 16

    def __init__(self, link: CommandChannel, loop: PollLoop) -> None:
        super().__init__(link, loop)
        self._kept = {False: b"", True: b""}

    def on_data(self, data: bytes, is_errors: bool) -> None:
        self.stream.consumed(len(data))
        *lines, rest = (self._kept[is_errors] + data).split(b"\n")
        if len(rest) > self._LONGEST:
            lines.append(rest)
            rest = b""
        self._kept[is_errors] = rest
        self._write(lines, is_errors)

    def finish(self) -> None:
        for is_errors, rest in self._kept.items():
            if rest:
                self._write([rest], is_errors)
        self._kept = {False: b"", True: b""}

    def _write(self, lines: Sequence[bytes], is_errors: bool) -> None:
        stream = sys.stderr.buffer if is_errors else sys.stdout.buffer
        for line in lines:
            stream.write(b"[%d] %s\n" % (self.link.rank, line))
        stream.flush()


def run_all(session: Session, ref: str, ranks: Sequence[int], argv: Sequence[str]) -> int:
    """The same program in several ranks, without input; the first exit code that is not 0."""
    loop = PollLoop()
    remotes: list[RemoteProgram] = []
    for rank in ranks:
        remote = _Lines(CommandChannel(session, ref, rank, loop), loop)
        stream = remote.begin(argv=list(argv), pty=None, term="")
        stream.eof()
        remotes.append(remote)
    loop.parts += [_Wakes(), _Until(remotes, loop)]
    with _interrupts(remotes):
        for one in remotes:
            one.link.start()
        loop.run()
    code = 0
    for one in remotes:
        one.link.close()
        if one.error is not None:
            session.stderr.error(one.error)
            code = code or 1
        code = code or one.exit_code or 0
    return code
