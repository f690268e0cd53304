"""Which lines of a log are shown, against a small real HTTP server."""

import json

import pytest

from hai.cli.main import main
from tests.unit.cli.conftest import Cli
from tests.unit.cli.peer import Peer, sse

ROUTE = "/api/v1/tasks/12/logs"


def line(rank: int, text: str) -> dict[str, object]:
    return {"attempt": 1, "rank": rank, "at": "2030-01-01T00:00:00Z", "text": text}


def serve(peer: Peer) -> None:
    """Three batches of two ranks, rank 1 with more to say."""
    batches = [[line(0, "a0"), line(1, "a1")], [line(1, "b1")], [line(0, "c0"), line(1, "x")]]
    events = [("lines", {"lines": batch}, f"c{i}") for i, batch in enumerate(batches)]
    peer.on("GET", ROUTE, sse(*events, ("end", {"state": "running"}, "")))


def test_the_tail_of_what_matches_is_counted_per_rank(cli: Cli, joined: Peer) -> None:
    serve(joined)
    shown = cli("logs", "12", "-r", "all", "--grep", "[abc]", "--tail", "1").out
    assert shown == "[1] b1\n[0] c0\n"
    assert set(joined.requests[-1].query) == {"rank"}, "the server has no grep"
    shown = cli("logs", "12", "-r", "all", "--grep", "[abc]", "--tail", "2").out
    assert shown == "[0] a0\n[1] a1\n[1] b1\n[0] c0\n"
    assert cli("logs", "12", "--grep", "[abc]", "--tail", "0").out == ""


def test_followed_tails_are_the_servers(cli: Cli, joined: Peer) -> None:
    serve(joined)
    assert cli("logs", "12", "-f", "--grep", "b", "--tail", "5").out == "b1\n"
    query = joined.requests[-1].query
    assert (query["tail"], query["follow"]) == (["5"], ["1"])


def test_pieces_are_put_together_as_they_were_written(
    joined: Peer, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    """A file gets the program's bytes, each once, and no line end that nobody wrote."""
    broken = {**line(0, "\ufffd"), "raw": "/w=="}
    events = [
        ("lines", {"lines": [{**line(0, "50%\r"), "open": True}]}, "1"),
        ("lines", {"lines": [{**line(0, "51%"), "open": True}, line(0, "\r"), broken]}, "2"),
        ("lines", {"lines": [{**line(0, "prompt: "), "open": True}]}, "3"),
    ]
    joined.on("GET", ROUTE, sse(*events, ("end", {"state": "running"}, "")))

    def run(*args: str) -> bytes:
        with pytest.raises(SystemExit):
            main(args)
        return capsysbinary.readouterr().out

    assert run("logs", "12") == b"50%\r51%\r\n\xff\nprompt: "
    assert run("logs", "12", "-f") == b"50%\r51%\r\n\xff\nprompt: "
    assert run("logs", "12", "-r", "0,1") == b"[0] 50%\r51%\r\n[0] \xff\n[0] prompt: \n"
    assert run("logs", "12", "--grep", "50%.*51") == b"50%\r51%\r\n"
    assert run("logs", "12", "--grep", "p", "--tail", "1") == b"prompt: \n"
    texts = [one["text"] for one in json.loads(run("logs", "12", "-o", "json"))]
    assert texts == ["50%\r51%\r", "\ufffd", "prompt: "]
