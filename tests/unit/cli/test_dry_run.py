"""Dry runs of admins, and a server that is too old for them: it is not asked for the change."""

import pytest

from hai.client.routes import API
from tests.unit.cli.conftest import Cli
from tests.unit.cli.peer import Peer, Reply, Request, error

# What servers say of an address that they do not know; with browsers' door it is the second.
UNKNOWN = [("not_found", 404, "Not Found"), ("invalid_input", 405, "Method Not Allowed")]


def old(peer: Peer, code: str, status: int, detail: str) -> None:
    """Makes the peer a server that has no dry runs."""

    def refuse(request: Request) -> Reply:
        reply = error(code, status, f"{request.method} {request.path}: {detail}")
        reply.headers["X-HAI-Version"] = "0.0.9"
        return reply

    for verb, path in (
        ("POST", "users"),
        ("PATCH", "users/ann"),
        ("PUT", "images"),
        ("DELETE", "images/t"),
        ("PUT", "mounts"),
        ("DELETE", "mounts/m"),
        ("PUT", "allowances"),
        ("PUT", "quotas"),
    ):
        peer.on(verb, f"{API}/dry-run/{path}", refuse)


@pytest.mark.parametrize(("code", "status", "detail"), UNKNOWN)
def test_a_server_that_is_too_old_is_not_asked_for_the_change(
    cli: Cli, joined: Peer, code: str, status: int, detail: str
) -> None:
    old(joined, code, status, detail)
    for words in (
        ("users", "add", "ann"),
        ("users", "set", "ann", "--team", "vision"),
        ("images", "add", "t", "r/t:1"),
        ("images", "remove", "t"),
        ("mounts", "add", "/d", "/d"),
        ("mounts", "remove", "m"),
        ("quota", "set", "ann", "cap:IPC_LOCK=1"),
        ("quota", "set", "ann", "node-g-HIGH=1"),
    ):
        refused = cli(*words, "--dry-run")
        assert (refused.code, refused.out) == (1, "")
        assert "the server (0.0.9) is older than this command" in refused.err
        assert "hai-up upgrade" in refused.err
    assert {request.path.startswith(f"{API}/dry-run/") for request in joined.requests} == {True}


def test_quotas_of_both_kinds_are_not_half_set_by_an_old_server(cli: Cli, joined: Peer) -> None:
    old(joined, *UNKNOWN[0])
    refused = cli("quota", "set", "ann", "cap:IPC_LOCK=1", "node-g-HIGH=1")
    assert refused.code == 1
    assert "in two commands" in refused.err
    assert [request.path for request in joined.requests] == [f"{API}/dry-run/allowances"]
