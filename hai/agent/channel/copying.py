"""Copies as streams: `get` out of the worker, `put` into it."""

from __future__ import annotations

import os
import stat

from hai.agent.channel.archive import Unpacker, Unsafe, packed, told
from hai.agent.channel.loop import Part
from hai.agent.channel.mux import Handler

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from hai.agent.channel.local_process import ProgramContext
    from hai.agent.channel.loop import PollLoop
    from hai.agent.channel.mux import Stream


class Sender(Part, Handler):
    """Sends what `packed` gives, as the window allows."""

    def __init__(self, stream: Stream, path: str, loop: PollLoop) -> None:
        stream.handler = self
        self._stream = stream
        self._loop = loop
        self._pieces = packed(path)
        self._kept = b""
        self.error = ""
        loop.parts.append(self)

    def run_once(self) -> None:
        for _ in range(64):
            if not self._kept:
                try:
                    self._kept = next(self._pieces, b"")
                except OSError as error:
                    self._stop(f"{error.filename}: {error.strerror}")
                    return
                if not self._kept:
                    self._stream.eof()
                    self._loop.parts.remove(self)
                    return
            room = self._stream.may_send
            if not room:
                return
            self._stream.send(self._kept[:room])
            self._kept = self._kept[room:]
        self._loop.later(0.0, lambda: None)  # go on without a wait

    def _stop(self, error: str) -> None:
        self.error = error
        handler = self._stream.handler
        self._stream.close(error=error)
        self.on_close({})
        if handler is not self:
            handler.on_close({})

    def on_close(self, message: dict[str, Any]) -> None:
        if self in self._loop.parts:
            self._loop.parts.remove(self)


class Receiver(Handler):
    """Unpacks what comes; answers with CLOSE, which says how much it was."""

    def __init__(self, stream: Stream, target: str) -> None:
        stream.handler = self
        self._stream = stream
        self._unpacker = Unpacker(target)

    def on_data(self, data: bytes, is_errors: bool) -> None:
        try:
            self._unpacker.feed(data)
        except (OSError, Unsafe, ValueError) as error:
            self._fail(error)
            return
        self._stream.consumed(len(data))

    def on_eof(self) -> None:
        done = self._unpacker
        try:
            done.close()
        except (OSError, ValueError) as error:
            self._fail(error)
            return
        self._stream.close(files=done.files, bytes=done.bytes, skipped=done.skipped[:20])

    def on_close(self, message: dict[str, Any]) -> None:
        self._unpacker.stop()

    def _fail(self, error: Exception) -> None:
        self._unpacker.stop()
        self._stream.close(error=told(error))


def begin_get(stream: Stream, info: dict[str, Any], loop: PollLoop, place: ProgramContext) -> None:
    """`path`, relative to the program's folder."""
    path = _absolute(str(info["path"]), place)
    found = os.stat(path)
    if not stat.S_ISDIR(found.st_mode) and not stat.S_ISREG(found.st_mode):
        raise ValueError("neither a file nor a folder")
    name = os.path.basename(os.path.realpath(path))
    Sender(stream, path, loop)
    stream.ready(name=name, is_folder=stat.S_ISDIR(found.st_mode))


def begin_put(stream: Stream, info: dict[str, Any], loop: PollLoop, place: ProgramContext) -> None:
    """`path`, and `name`, which is put below it if it is a folder already."""
    path = _absolute(str(info["path"]), place)
    if os.path.isdir(path):
        path = os.path.join(path, os.path.basename(str(info["name"])))
    elif path.endswith("/"):
        raise FileNotFoundError(2, "no such folder")
    Receiver(stream, path)
    stream.ready()


def _absolute(path: str, place: ProgramContext) -> str:
    if "\0" in path:
        raise ValueError("a NUL byte cannot be part of a name")
    if path == "~" or path.startswith("~/"):
        path = place.environment["HOME"] + path[1:]
    return os.path.join(place.folder, path)
