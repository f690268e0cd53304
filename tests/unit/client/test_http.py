# ruff: noqa: S105 - the tokens here are made up

import socket
import sys
import threading
from collections.abc import Iterator

import pytest

from hai.client.events import Resume
from hai.client.http import HaiClient
from hai.client.plain import PlainClient, error_from_body, query_string
from hai.client.profile import Profile
from hai.client.routes import ROUTES, route_path
from hai.errors import (
    AuthRequired,
    HaiError,
    NameInUse,
    NotFound,
    TimedOut,
    Unavailable,
    Unreachable,
)
from tests.unit.cli.peer import Peer, Reply, Request, error, sse, task_view

API = "/api/v1"
TOKEN = "t0ken-secret"


@pytest.fixture
def waits() -> list[float]:
    return []


@pytest.fixture
def client(peer: Peer, waits: list[float]) -> Iterator[HaiClient]:
    with HaiClient(Profile(url=peer.url, token=TOKEN), wait=waits.append) as found:
        yield found


def fails_first(count: int, first: Reply, then: Reply) -> object:
    left = [count]

    def reply(_: Request) -> Reply:
        left[0] -= 1
        return first if left[0] >= 0 else then

    return reply


def test_paths_are_quoted_whole() -> None:
    path = route_path(ROUTES["task"], ref="a b?#é%")
    assert path == f"{API}/tasks/a%20b%3F%23%C3%A9%25"
    assert route_path(ROUTES["task"], ref="..").endswith("%2E%2E")
    for ref in ("", "a/b"):  # would be the path of something else
        with pytest.raises(NotFound, match="there is nothing of the name"):
            route_path(ROUTES["task"], ref=ref)


def test_queries_leave_out_nothing_and_repeat_lists() -> None:
    assert query_string({"a": None, "b": ["x", "y z"], "c": True, "d": 0}) == "?b=x&b=y+z&c=1&d=0"
    assert query_string(None) == ""


def test_a_call(peer: Peer, client: HaiClient) -> None:
    peer.on("GET", f"{API}/tasks/12", Reply(body=task_view(), headers={"X-HAI-Version": "9.1"}))
    assert client.call("task", ref=12) == task_view()
    assert client.server_version == "9.1"
    assert peer.requests[0].headers["authorization"] == f"Bearer {TOKEN}"


def test_no_content(peer: Peer, client: HaiClient) -> None:
    peer.on("DELETE", f"{API}/tokens/x", Reply(204, raw=b""))
    assert client.call("revoke_token", id="x") is None


@pytest.mark.parametrize(
    ("code", "kind"),
    [("not_found", NotFound), ("name_in_use", NameInUse), ("auth_required", AuthRequired)],
)
def test_errors_keep_their_kind(
    peer: Peer, client: HaiClient, code: str, kind: type[HaiError]
) -> None:
    peer.on("POST", f"{API}/tasks", error(code, 400, "no", hint="h"))
    with pytest.raises(kind) as caught:
        client.call("submit", body={})
    assert (caught.value.message, caught.value.hint) == ("no", "h")
    assert caught.value.details["request_id"] == "r-1"


def test_an_unknown_code_is_kept() -> None:
    found = error_from_body(418, {"code": "teapot", "message": "short"}, "http://h")
    assert isinstance(found, HaiError)
    assert found.code == "teapot"
    assert HaiError.code == "error"


@pytest.mark.parametrize(
    "reply",
    [
        Reply(200, raw=b"<html>"),
        Reply(404, raw=b"<html>"),
        Reply(500, body={"detail": "x"}),
        Reply(302, raw=b""),
    ],
)
def test_another_web_server_is_recognised(peer: Peer, client: HaiClient, reply: Reply) -> None:
    peer.on("GET", f"{API}/whoami", reply)
    if reply.raw == b"":
        with pytest.raises(Unreachable):
            client.call("whoami")
        return
    with pytest.raises(Unreachable, match="not as a HAI server"):
        client.call("whoami")
    with pytest.raises(Unreachable, match="not as a HAI server"):
        PlainClient(Profile(url=peer.url, token=TOKEN)).call("whoami")


def test_a_lost_connection_is_retried_where_that_is_safe(
    peer: Peer, client: HaiClient, waits: list[float]
) -> None:
    cut, fine = Reply(cut=True), Reply(body=task_view())
    peer.on("POST", f"{API}/tasks", fails_first(2, cut, fine))  # type: ignore[arg-type]
    body = {"request_id": "r"}
    assert client.call("submit", body=body)["id"] == 12
    assert [request.body for request in peer.requests] == [body] * 3
    assert waits == [0.1, 0.3]
    peer.requests.clear()
    peer.on("POST", f"{API}/tasks/12/stop", cut)
    with pytest.raises(Unreachable):
        client.call("stop", ref=12, body={})
    assert len(peer.requests) == 1


def test_not_now_is_retried_after_what_the_server_says(
    peer: Peer, client: HaiClient, waits: list[float]
) -> None:
    busy = error("unavailable", 503, "starting")
    busy.headers["Retry-After"] = "2"
    peer.on("GET", f"{API}/whoami", fails_first(1, busy, Reply(body={})))  # type: ignore[arg-type]
    assert client.call("whoami") == {}
    assert waits == [2.0]
    peer.on("GET", f"{API}/whoami", busy)
    with pytest.raises(Unavailable):
        client.call("whoami")


@pytest.mark.parametrize("proxy", ["socks5://proxy:1080", "ftp://proxy:21"])
def test_a_proxy_that_can_not_be_used(monkeypatch: pytest.MonkeyPatch, proxy: str) -> None:
    monkeypatch.setenv("ALL_PROXY", proxy)
    monkeypatch.setitem(sys.modules, "socksio", None)  # as where it is not installed
    with pytest.raises(Unreachable, match="proxy") as caught:
        HaiClient(Profile("http://hai.example", "t"))
    assert "NO_PROXY" in caught.value.hint
    HaiClient(Profile("http://127.0.0.1:1", "t")).close()  # no proxy stands in between


def test_nobody_listens() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{probe.getsockname()[1]}"
        waits: list[float] = []
        with (
            HaiClient(Profile(url=url, token=TOKEN), wait=waits.append) as client,
            pytest.raises(Unreachable) as caught,
        ):
            client.call("stop", ref=1, body={})
    assert len(waits) == 3  # nothing was sent: even this may be tried again
    assert "hai-up status" in caught.value.hint
    assert TOKEN not in str(caught.value)
    with pytest.raises(Unreachable, match="no answer"):
        PlainClient(Profile(url=url, token=TOKEN)).call("whoami")


@pytest.fixture
def mute() -> Iterator[tuple[str, bytes]]:
    """A port that accepts, and answers with the first bytes given, or never."""
    listener = socket.create_server(("127.0.0.1", 0))
    held: list[socket.socket] = []

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            held.append(connection)

    thread = threading.Thread(target=serve)
    thread.start()
    yield f"http://127.0.0.1:{listener.getsockname()[1]}", b""
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join(60)
    for connection in held:
        connection.close()


def test_silence_is_a_timeout(mute: tuple[str, bytes]) -> None:
    profile = Profile(url=mute[0], token=TOKEN)
    with HaiClient(profile, timeout_seconds=0.1) as client, pytest.raises(TimedOut):
        client.call("whoami")
    with pytest.raises(TimedOut):
        PlainClient(profile, 0.1).call("whoami")


def test_a_port_that_does_not_speak_http(peer: Peer) -> None:
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        for _ in range(6):
            try:
                connection, _address = listener.accept()
            except OSError:
                return
            with connection:
                connection.recv(4096)
                connection.sendall(b"SSH-2.0-OpenSSH_9.2\r\n\r\n")

    thread = threading.Thread(target=serve)
    thread.start()
    profile = Profile(url=f"http://127.0.0.1:{listener.getsockname()[1]}", token=TOKEN)
    try:
        with (
            HaiClient(profile, wait=lambda _: None) as client,
            pytest.raises(Unreachable, match="not as a HAI server"),
        ):
            client.call("whoami")
        with pytest.raises(Unreachable, match="not as a HAI server"):
            PlainClient(profile).call("whoami")
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(60)


def test_streams_resume_with_the_cursor_and_without_the_first_question(
    peer: Peer, client: HaiClient
) -> None:
    second = sse(("lines", "b", "c2"), ("end", {}, ""))
    first = sse(("lines", "a", "c1"))
    peer.on("GET", f"{API}/tasks/12/logs", fails_first(1, first, second))  # type: ignore[arg-type]
    params = {"rank": "0", "tail": 5, "since": "x", "follow": 1}
    resume = Resume(wait=lambda _: None)
    events = list(client.events("logs", resume, params=params, ref=12))
    assert [event.data for event in events] == ["a", "b", {}]
    again = peer.requests[1]
    assert again.query == {"rank": ["0"], "follow": ["1"], "cursor": ["c1"]}
    assert again.headers["last-event-id"] == "c1"


def test_a_stream_that_is_refused_is_an_error(peer: Peer, client: HaiClient) -> None:
    resume = Resume(wait=lambda _: None)
    with pytest.raises(NotFound):
        list(client.events("logs", resume, ref="nope"))
    peer.on("GET", f"{API}/events", Reply(body={}))
    with pytest.raises(Unreachable, match="no event stream"):
        list(client.events("events", resume))


def test_the_trace_holds_ids_and_no_token(peer: Peer) -> None:
    peer.on("GET", f"{API}/whoami", Reply(body={}))
    said: list[str] = []
    with HaiClient(Profile(url=peer.url, token=TOKEN), trace=said.append) as client:
        client.call("whoami")
    assert "request r-1" in said[0]
    assert TOKEN not in said[0]
