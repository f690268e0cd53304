"""Streams over one connection: windows, limits, and what a hostile other end can do."""

import json
import os
import socket
import struct
from collections.abc import Iterator

import pytest

from hai.agent.channel import mux as protocol
from hai.agent.channel.loop import ChannelSocket
from hai.agent.channel.mux import STREAMS, WINDOW_BYTES, Broken, Handler, Mux, Stream
from hai.agent.channel.websocket import FULL_BYTES, WebSocket


class Recorder(Handler):
    """What came."""

    def __init__(self) -> None:
        self.data = b""
        self.closed: dict[str, object] | None = None

    def on_data(self, data: bytes, is_errors: bool) -> None:
        self.data += data

    def on_close(self, message: dict[str, object]) -> None:
        self.closed = message


class Pair:
    """Two ends, joined in memory: `pass_on` moves what each has said to the other."""

    def __init__(self) -> None:
        self.there: list[tuple[Stream, dict[str, object]]] = []
        self.sockets = [Wire(), Wire()]
        self.client = Mux(self.sockets[0])
        self.worker = Mux(self.sockets[1], self._opened)

    def _opened(self, stream: Stream, info: dict[str, object]) -> None:
        stream.handler = Recorder()
        self.there.append((stream, info))

    def pass_on(self) -> None:
        while any(wire.said for wire in self.sockets):
            for wire, mux in zip(self.sockets, (self.worker, self.client), strict=True):
                said, wire.said = wire.said, []
                for message in said:
                    mux.feed(message)


class Wire(WebSocket):
    """A socket that only collects."""

    def __init__(self) -> None:
        self.said: list[bytes] = []

    def send(self, message: bytes) -> None:
        self.said.append(message)

    @property
    def is_full(self) -> bool:
        return sum(map(len, self.said)) >= FULL_BYTES


def test_no_more_is_sent_than_is_consumed() -> None:
    pair = Pair()
    stream = pair.client.open(Recorder(), kind="x")
    sent = 0
    while stream.may_send:
        count = min(stream.may_send, 100_000)
        stream.send(b"d" * count)
        sent += count
        pair.pass_on()
    assert sent == WINDOW_BYTES
    far, info = pair.there[0]
    assert info == {"kind": "x"}
    assert isinstance(far.handler, Recorder)
    assert len(far.handler.data) == WINDOW_BYTES
    far.consumed(WINDOW_BYTES)
    pair.pass_on()
    assert stream.may_send == WINDOW_BYTES


def test_a_stream_that_nobody_reads_holds_up_no_other() -> None:
    pair = Pair()
    stuck, free = (pair.client.open(Recorder()) for _ in range(2))
    while stuck.may_send:
        stuck.send(b"d" * min(stuck.may_send, 60_000))
        pair.pass_on()
    free.send(b"hello")
    pair.pass_on()
    handler = pair.there[1][0].handler
    assert isinstance(handler, Recorder)
    assert handler.data == b"hello"


def message(kind: int, number: int, rest: bytes = b"") -> bytes:
    return struct.pack(">BI", kind, number) + rest


@pytest.mark.parametrize(
    "hostile",
    [
        b"",
        b"\x03",
        message(protocol.DATA, 1, b"x" * (WINDOW_BYTES + 1)),
        message(protocol.READY, 1, b"[]"),
        message(protocol.CONTROL, 1, b"{"),
        message(99, 1),
        message(protocol.OPEN, 1, b"{}"),
        message(protocol.OPEN, 2, b"no json"),
    ],
)
def test_what_breaks_the_protocol_ends_the_connection(hostile: bytes) -> None:
    pair = Pair()
    pair.client.open(Recorder())
    pair.pass_on()
    with pytest.raises(Broken):
        pair.worker.feed(hostile)


def test_a_client_takes_no_streams_of_the_worker_s() -> None:
    with pytest.raises(Broken):
        Pair().client.feed(message(protocol.OPEN, 5, b"{}"))


def test_streams_are_bounded_at_both_ends() -> None:
    pair = Pair()
    for _ in range(STREAMS):
        pair.client.open(Recorder())
    pair.pass_on()
    with pytest.raises(Broken, match="too many"):
        pair.client.open(Recorder())
    pair.worker.feed(message(protocol.OPEN, STREAMS + 1, b"{}"))
    answer = pair.sockets[1].said.pop()
    assert answer[0] == protocol.CLOSE
    assert "more than" in json.loads(answer[5:])["error"]
    assert len(pair.worker.streams) == STREAMS


def test_a_lost_connection_closes_every_stream() -> None:
    pair = Pair()
    recorders = [Recorder(), Recorder()]
    for recorder in recorders:
        pair.client.open(recorder)
    pair.client.lost()
    assert [recorder.closed for recorder in recorders] == [{}, {}]


@pytest.fixture
def sockets() -> Iterator[tuple[WebSocket, socket.socket]]:
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    with ours, theirs:
        yield WebSocket(ours), theirs


def test_why_a_connection_is_over_is_known_when_its_streams_end(
    sockets: tuple[WebSocket, socket.socket],
) -> None:
    web, raw = sockets
    told: list[str] = []
    heard: list[list[str]] = []

    class Late(Handler):
        def on_close(self, message: dict[str, object]) -> None:
            heard.append(list(told))

    mux = Mux(web)
    mux.open(Late(), kind="get")
    line = ChannelSocket(web, mux, told.append)
    raw.sendall(b"\x88\x06" + struct.pack(">H", 1001) + b"over")
    line.feed()
    line.run_once()
    assert (told, heard) == (["over"], [["over"]])


@pytest.mark.parametrize("size", [0, 1, 125, 126, 65_535, 65_536, 200_000])
def test_frames_of_every_size_are_masked_and_whole(
    sockets: tuple[WebSocket, socket.socket], size: int
) -> None:
    web, raw = sockets
    payload = os.urandom(size)
    web.send(payload)
    got = b""
    while web.wants_write:
        web.flush()
        got += raw.recv(1 << 20)
    start = 2 if size < 126 else 4 if size < 65_536 else 10
    assert got[1] & 0x80
    mask, body = got[start : start + 4], got[start + 4 :]
    assert bytes(byte ^ mask[n % 4] for n, byte in enumerate(body)) == payload


def test_pings_are_answered_and_pieces_joined(sockets: tuple[WebSocket, socket.socket]) -> None:
    web, raw = sockets
    raw.sendall(b"\x02\x02ab" + b"\x89\x01p" + b"\x80\x01c")
    assert web.read() == [b"abc"]
    web.flush()
    answer = raw.recv(100)
    assert answer[0] == 0x8A
    assert answer[-1] ^ answer[2] == ord("p")
    raw.sendall(b"\x88\x06" + struct.pack(">H", 1001) + b"over")
    assert web.read() == []
    assert (web.is_over, web.code, web.reason) == (True, 1001, "over")


def test_a_frame_that_is_too_large_is_not_waited_for(
    sockets: tuple[WebSocket, socket.socket],
) -> None:
    web, raw = sockets
    raw.sendall(b"\x82\x7f" + struct.pack(">Q", 1 << 40))
    assert web.read() == []
    assert web.is_over
