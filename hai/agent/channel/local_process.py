"""Programs that a stream runs beside the worker's own: as the same user, with the same variables,
in the same folder; at a terminal if the client has one."""

from __future__ import annotations

import errno
import fcntl
import os
import pty
import pwd
import signal
import struct
import termios

from hai.agent.capabilities import HandOver, split
from hai.agent.channel.loop import Part, PollLoop
from hai.agent.channel.pump import Pump, StreamSink, StreamSource
from hai.agent.ending import shell_code
from hai.agent.environment import change_account
from hai.agent.limits import bound_processes
from hai.agent.processes import ended_children, reset_signals
from hai.agent.terminals import Marker

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from hai.agent.channel.mux import Stream

NOT_FOUND, NOT_EXECUTABLE = 127, 126
DRAIN_SECONDS = 1.0  # for output that others still hold open once the program has ended
_ARGUMENTS = 4096
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGKILL)


class ProgramContext:
    """Where a worker's program lives, as the agent tells it: account, variables, folder."""

    def __init__(self, data: dict[str, Any]) -> None:
        account = data["account"]
        self.uid, self.gid = int(account["uid"]), int(account["gid"])
        self.groups = [int(group) for group in account["groups"]]
        self.drops = bool(account["drops"])
        self.in_container = bool(data["in_container"])
        self.processes = int(data["processes"])
        self.capabilities = [str(name) for name in data["capabilities"]]
        self.user = str(data["user"])
        self.environment = {str(k): str(v) for k, v in data["environment"].items()}
        self.folder = str(data["workspace"]) or self.environment["HOME"]
        self.control_dir = str(data["control_dir"])
        self.address = str(data["address"])
        self.marker = Marker(self.control_dir)
        self.children: Children

    def become(self) -> None:
        """Give up root for good; what comes of this process is bounded as the program is, and has
        the same capabilities. OSError."""
        os.setsid()
        reset_signals(signal.SIGPIPE)
        if self.in_container:
            self._take_a_name()
        bound_processes(self.processes)
        if self.drops:
            handover = HandOver(split(self.capabilities)[0])
            handover.keep()
            change_account(self.uid, self.gid, self.groups)
            handover.give()

    def _take_a_name(self) -> None:
        """An image seldom knows the platform's users; what looks its own name up (ssh, git) needs
        one. As root, in a container that is this worker's alone."""
        try:
            pwd.getpwnam(self.user)
        except KeyError:
            home = self.environment["HOME"]
            line = f"{self.user}:x:{self.uid}:{self.gid}::{home}:{self.shell()}\n"
            try:
                with open("/etc/passwd", "a", encoding="ascii") as file:
                    file.write(line)
            except (OSError, ValueError):  # read-only, or not root: it goes without
                return

    def shell(self) -> str:
        try:
            own = pwd.getpwuid(self.uid).pw_shell
        except KeyError:
            own = ""
        is_real = own and os.access(own, os.X_OK) and os.path.basename(own) not in _NO_SHELLS
        return own if is_real else next((s for s in _SHELLS if os.path.exists(s)), "/bin/sh")


_NO_SHELLS = ("nologin", "false", "sync")
_SHELLS = ("/bin/bash", "/usr/bin/bash", "/bin/sh")


class Children(Part):
    """Tells each process's end to whoever started it."""

    def __init__(self, loop: PollLoop) -> None:
        self._calls: dict[int, Callable[[int], None]] = {}
        reader, writer = os.pipe()
        os.set_blocking(reader, False)
        os.set_blocking(writer, False)
        signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
        self._reader = reader

    def watch(self, pid: int, call: Callable[[int], None]) -> None:
        """`call` gets the exit code as a shell gives it."""
        self._calls[pid] = call

    def wants(self) -> list[tuple[int, bool, bool]]:
        return [(self._reader, True, False)]

    def ready(self, fd: int, can_read: bool, can_write: bool) -> None:
        os.read(self._reader, 4096)

    def run_once(self) -> None:
        for pid, status in ended_children():
            call = self._calls.pop(pid, None)
            if call is not None:
                call(shell_code(status))


def begin(stream: Stream, info: dict[str, Any], loop: PollLoop, place: ProgramContext) -> None:
    """`argv` ([] for the user's shell, one word for a line of it), `pty`: [rows, columns] or None,
    `term`."""
    argv = [str(word) for word in info.get("argv") or []][:_ARGUMENTS]
    environment = dict(place.environment)
    if info.get("term"):
        environment["TERM"] = str(info["term"])[:64]
    shell = environment["SHELL"] = place.shell()
    words = [shell, "-c", argv[0]] if len(argv) == 1 else argv or [shell]
    if info.get("pty"):
        process = _at_terminal(stream, words, environment, place)
        process.resize(info["pty"])
    else:
        process = _with_pipes(stream, words, environment, place)
    process.loop = loop
    process.marker = place.marker
    loop.parts.append(process)
    place.children.watch(process.pid, process.exited)
    stream.ready(pid=process.pid)


class StreamProcess(Pump):
    """Closes the stream with `exit_code` when the process has ended and its output is through."""

    loop: PollLoop
    marker: Marker

    def __init__(self, stream: Stream, pid: int, terminal: int = -1) -> None:
        super().__init__(stream)
        stream.handler = self
        self.pid = pid
        self._terminal = terminal
        self._exit_code: int | None = None

    def exited(self, exit_code: int) -> None:
        self._exit_code = exit_code
        if self._has_told_end:
            self._close()
        else:
            self.loop.later(DRAIN_SECONDS, self._close)

    def on_data(self, data: bytes, is_errors: bool) -> None:
        self.marker.note()  # somebody types
        super().on_data(data, is_errors)

    def on_sources_over(self) -> None:
        if self._exit_code is not None:
            self._close()

    def resize(self, size: Any) -> None:
        rows, columns = (max(1, min(int(value), 9999)) for value in size)
        packed = struct.pack("HHHH", rows, columns, 0, 0)
        fcntl.ioctl(self._terminal, termios.TIOCSWINSZ, packed)

    def on_control(self, message: dict[str, Any]) -> None:
        try:
            if message.get("resize") and self._terminal >= 0:
                self.resize(message["resize"])
            elif message.get("signal") in _SIGNALS:
                os.killpg(self.pid, message["signal"])
        except (OSError, TypeError, ValueError):
            return

    def on_eof(self) -> None:
        if self._terminal < 0:
            super().on_eof()
        elif self.sink is not None:
            self.sink.put(b"\x04")  # what a terminal calls the end

    def on_close(self, message: dict[str, Any]) -> None:
        """The client has lost interest."""
        try:
            os.killpg(self.pid, signal.SIGHUP)
            self.loop.later(DRAIN_SECONDS, self._kill)
        except OSError:
            pass
        self._leave()

    def _kill(self) -> None:
        if self._exit_code is None:
            try:
                os.killpg(self.pid, signal.SIGKILL)
            except OSError:
                return

    def _close(self) -> None:
        if not self.stream.is_closed:
            self.stream.close(exit_code=self._exit_code)
            self._leave()

    def _leave(self) -> None:
        if self in self.loop.parts:
            self.loop.parts.remove(self)
        sinks = [one.fd for one in (self.sink,) if one is not None]
        for fd in {*(source.fd for source in self.sources), *sinks}:
            try:
                os.close(fd)
            except OSError:
                continue
        self.sources, self.sink = [], None


def _at_terminal(
    stream: Stream, argv: list[str], environment: dict[str, str], place: ProgramContext
) -> StreamProcess:
    pid, terminal = pty.fork()
    if pid == 0:
        _exec(argv, environment, place)
    os.set_blocking(terminal, False)
    process = StreamProcess(stream, pid, terminal)
    process.sources = [StreamSource(stream, terminal)]
    process.sink = StreamSink(stream, terminal, lambda: None)
    return process


def _with_pipes(
    stream: Stream, argv: list[str], environment: dict[str, str], place: ProgramContext
) -> StreamProcess:
    in_read, in_write = os.pipe()
    out_read, out_write = os.pipe()
    err_read, err_write = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.setsid()
        for fd, target in ((in_read, 0), (out_write, 1), (err_write, 2)):
            os.dup2(fd, target)
        _exec(argv, environment, place)
    for fd in (in_read, out_write, err_write):
        os.close(fd)
    for fd in (in_write, out_read, err_read):
        os.set_blocking(fd, False)
    process = StreamProcess(stream, pid)
    process.sources = [
        StreamSource(stream, out_read),
        StreamSource(stream, err_read, is_errors=True),
    ]

    def close_input() -> None:
        process.sink = None
        os.close(in_write)

    process.sink = StreamSink(stream, in_write, close_input)
    return process


def _exec(argv: list[str], environment: dict[str, str], place: ProgramContext) -> None:
    """In the child; does not come back."""
    code = NOT_EXECUTABLE
    try:
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGPIPE, signal.SIGXFSZ, signal.SIGTERM, signal.SIGCHLD):
            signal.signal(number, signal.SIG_DFL)
        for folder in (place.folder, environment["HOME"], "/"):
            try:
                os.chdir(folder)
                break
            except OSError:
                continue
        os.execvpe(argv[0], argv, environment)  # noqa: S606 - what the user asked for
    except OSError as error:
        code = NOT_FOUND if error.errno in (errno.ENOENT, errno.ENOTDIR) else code
        os.write(2, (f"{argv[0]}: {error.strerror}\r\n").encode("utf-8", "replace"))
    finally:
        os._exit(code)
