"""hai-up asks the server through the client that all commands share."""

import socket
import subprocess
import sys
from collections.abc import Iterator

import pytest

from hai.errors import AuthRequired, PlatformError, Unavailable, Unreachable
from hai_up.api import Api, is_healthy
from tests.unit.cli.peer import Peer, Reply, error

PATIENCE_SECONDS = 60


@pytest.fixture
def nobody() -> Iterator[str]:
    """An address that is taken, and where nobody listens."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{bound.getsockname()[1]}"


def test_what_is_asked_and_answered(peer: Peer) -> None:
    row = {"id": 7, "name": "train", "user": "alice"}
    peer.on("GET", "/api/v1/tasks", Reply(body={"tasks": [row], "total": 3}))
    peer.on("POST", "/api/v1/admin/vacate", Reply(body={"active": 2}))
    peer.on("POST", "/api/v1/admin/stop-all", Reply(body={"active": 1, "waiting": 4}))
    peer.on("POST", "/api/v1/admin/go-on", Reply(body={"was_paused": True}))
    with Api(peer.url, "hai_admin", timeout_seconds=PATIENCE_SECONDS) as api:
        assert api.count("queued", "suspended") == 3
        assert api.running(20) == ["7 train of alice"]
        assert (api.vacate(), api.stop_all(), api.go_on()) == (2, (1, 4), True)
    first, second, *_ = peer.requests
    assert first.query == {"user": ["all"], "state": ["queued", "suspended"], "page_size": ["1"]}
    assert second.query["page_size"] == ["20"]
    assert {one.headers["authorization"] for one in peer.requests} == {"Bearer hai_admin"}


@pytest.mark.parametrize(
    ("code", "status", "kind"),
    [
        ("auth_required", 401, AuthRequired),
        ("unavailable", 503, Unavailable),
        ("platform_error", 500, PlatformError),
    ],
)
def test_the_servers_word_counts_and_is_asked_for_once(
    peer: Peer, code: str, status: int, kind: type[Exception]
) -> None:
    peer.on("GET", "/api/v1/whoami", error(code, status, "no"))
    with Api(peer.url, "t", timeout_seconds=PATIENCE_SECONDS) as api, pytest.raises(kind) as caught:
        api.whoami()
    assert (str(caught.value), len(peer.requests)) == ("no", 1)


def test_no_answer_says_what_helps(nobody: str) -> None:
    with Api(nobody, "t", timeout_seconds=PATIENCE_SECONDS) as api:
        with pytest.raises(Unreachable) as caught:
            api.whoami()
        assert api.readiness() is None
    assert caught.value.message == f"the server at {nobody} does not answer (ConnectError)"
    assert caught.value.hint == "hai-up status"
    assert not is_healthy(nobody, timeout_seconds=PATIENCE_SECONDS)


def test_another_program_there_is_no_crash(peer: Peer) -> None:
    peer.on("GET", "/api/v1/whoami", Reply(502, raw=b"<html>bad gateway</html>"))
    api = Api(peer.url, "t", timeout_seconds=PATIENCE_SECONDS)
    with api, pytest.raises(Unreachable, match="not as a HAI server") as caught:
        api.whoami()
    assert caught.value.hint == "hai-up logs"


def test_readiness_needs_no_token(peer: Peer) -> None:
    peer.on("GET", "/ready", Reply(503, body={"status": "database down"}))
    peer.on("GET", "/health", Reply(body={"status": "ok"}))
    with Api(peer.url, timeout_seconds=PATIENCE_SECONDS) as api:
        assert api.readiness() is False
        peer.on("GET", "/ready", Reply(body={"status": "ready"}))
        assert api.is_ready()
    assert is_healthy(peer.url, timeout_seconds=PATIENCE_SECONDS)
    assert all("authorization" not in one.headers for one in peer.requests)


def test_no_proxy_stands_in_between(peer: Peer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where the address is not one of those that never have one."""
    monkeypatch.setenv("http_proxy", peer.url)
    peer.on("GET", "/ready", Reply(body={"status": "ready"}))
    with socket.socket() as bound:
        bound.bind(("127.0.0.2", 0))
        with Api(f"http://127.0.0.2:{bound.getsockname()[1]}") as api:
            assert api.readiness() is None
    assert peer.requests == []


def test_loading_it_loads_no_http_library() -> None:
    code = "import sys, hai_up.api, hai_up.studio; sys.exit('httpx2' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
