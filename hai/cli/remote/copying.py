"""Files and folders between here and a task."""

from __future__ import annotations

import stat
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hai.agent.channel.archive import Unpacker, Unsafe, told
from hai.agent.channel.copying import Sender
from hai.agent.channel.loop import Part, PollLoop
from hai.agent.channel.mux import Handler
from hai.cli.remote.link import CommandChannel, failed
from hai.errors import HaiError, InvalidInput, NotFound, PlatformError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hai.cli.session import Session


@dataclass(frozen=True, slots=True)
class Copied:
    """`skipped`: links that lead out of what was copied."""

    files: int
    bytes: int
    skipped: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CopyLocation:
    """`ref` is empty for a path here."""

    ref: str
    path: str


def parse_spot(text: str) -> CopyLocation:
    """ "12:ckpt/last.pt", or a path here: one that begins with / or . may hold a colon."""
    ref, colon, path = text.partition(":")
    if not colon or text.startswith(("/", ".")) or "/" in ref:
        return CopyLocation("", text)
    if not ref:
        raise InvalidInput(f"{text!r} names no task", hint="TASK:PATH, as 12:ckpt/last.pt")
    return CopyLocation(ref, path or ".")


class _Transfer(Handler):
    """`copied` or `error` is set at the end; then the loop stops."""

    def __init__(self, link: CommandChannel, loop: PollLoop) -> None:
        self.link = link
        self.loop = loop
        self.copied: Copied | None = None
        self.error: HaiError | None = None

    def on_close(self, message: dict[str, Any]) -> None:
        self.fail(failed(message, self.link))

    def fail(self, error: HaiError) -> None:
        if self.copied is None and self.error is None:
            self.error = error
            self.loop.stop()

    def result(self) -> Copied:
        if self.error is not None or self.copied is None:
            raise self.error or self.link.failure()
        return self.copied


class _Get(_Transfer):
    def __init__(self, link: CommandChannel, loop: PollLoop, path: str, target: str) -> None:
        super().__init__(link, loop)
        self._path = path
        self._target = target
        self._unpacker: Unpacker | None = None
        self._stream = link.mux.open(self, kind="get", path=path)

    def on_ready(self, info: dict[str, Any]) -> None:
        target = Path(self._target)
        if target.is_dir():
            name = self._path.rstrip("/").rpartition("/")[2]
            if name in ("", ".", "..", "~"):
                name = str(info.get("name"))
            if "/" in name or "\0" in name or name in ("", ".", ".."):
                self._refuse(Unsafe(f"{name!r} is no name of a file"))
                return
            target /= name
        self._unpacker = Unpacker(str(target))

    def on_data(self, data: bytes, is_errors: bool) -> None:
        if self._unpacker is None or self.error is not None:
            return
        try:
            self._unpacker.feed(data)
        except (OSError, Unsafe, ValueError) as error:
            self._refuse(error)
            return
        self._stream.consumed(len(data))

    def on_eof(self) -> None:
        done = self._unpacker
        if done is None or self.error is not None:
            return
        try:
            done.close()
        except (OSError, ValueError, Unsafe) as error:
            self._refuse(error)
            return
        self.copied = Copied(done.files, done.bytes, tuple(done.skipped))
        self._stream.close()
        self.loop.stop()

    def _refuse(self, error: Exception) -> None:
        if self._unpacker is not None:
            self._unpacker.stop()
        self._stream.close()
        self.fail(PlatformError(f"cannot copy to {self._target}: {told(error)}"))


class _Put(_Transfer, Part):
    def __init__(self, link: CommandChannel, loop: PollLoop, path: str, target: str) -> None:
        super().__init__(link, loop)
        self._path = path
        self._sender: Sender | None = None
        name = Path(path).resolve().name
        self._stream = link.mux.open(self, kind="put", path=target, name=name)

    def on_ready(self, info: dict[str, Any]) -> None:
        self._sender = Sender(self._stream, self._path, self.loop)
        self._stream.handler = self  # it hears the answer; the sender is a part of the loop

    def on_close(self, message: dict[str, Any]) -> None:
        if self._sender is not None:
            self._sender.on_close(message)
        if isinstance(message.get("files"), int) and isinstance(message.get("bytes"), int):
            skipped = tuple(str(one) for one in message.get("skipped") or ())
            self.copied = Copied(message["files"], message["bytes"], skipped)
            self.loop.stop()
        elif self._sender is not None and self._sender.error:
            self.fail(PlatformError(self._sender.error))
        else:
            super().on_close(message)


class _Losses(Part):
    def __init__(self, transfer: _Transfer) -> None:
        self._transfer = transfer

    def run_once(self) -> None:
        if self._transfer.link.lost is not None:
            self._transfer.fail(self._transfer.link.failure())


def copy(
    session: Session, sources: Sequence[CopyLocation], target: CopyLocation, rank: int
) -> Copied:
    """All of them into one place. HaiError at the first that cannot be copied."""
    refs = {spot.ref for spot in sources}
    if target.ref:
        if refs != {""}:
            raise InvalidInput(
                "one side is here, the other in a task", hint="copy in two steps, through here"
            )
        _check_local(sources)
    elif "" in refs:
        raise InvalidInput("neither side is in a task", hint="a task's file is TASK:PATH")
    if len(sources) > 1 and not target.ref and not Path(target.path).is_dir():
        raise NotFound(f"{target.path} is no folder", hint="several things need a folder to go to")
    total = Copied(0, 0)
    for source in sources:
        one = _copy_one(session, source, target, rank)
        total = Copied(
            total.files + one.files, total.bytes + one.bytes, (*total.skipped, *one.skipped)
        )
    return total


def _check_local(sources: Sequence[CopyLocation]) -> None:
    for source in sources:
        try:
            mode = Path(source.path).stat().st_mode
        except OSError as error:
            raise NotFound(f"{source.path}: {(error.strerror or '').lower()}") from None
        if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
            raise InvalidInput(f"{source.path} is neither a file nor a folder")


def _copy_one(session: Session, source: CopyLocation, target: CopyLocation, rank: int) -> Copied:
    loop = PollLoop()
    link = CommandChannel(session, source.ref or target.ref, rank, loop)
    try:
        transfer: _Transfer = (
            _Get(link, loop, source.path, target.path)
            if source.ref
            else _Put(link, loop, source.path, target.path)
        )
        loop.parts.append(_Losses(transfer))
        link.start()
        loop.run()
    finally:
        link.close()
    return transfer.result()
