"""Whether client and server are the same build."""

import json
import sys

import pytest

import hai
from tests.unit.cli.conftest import Cli
from tests.unit.cli.peer import Peer, Reply

API = "/api/v1"


@pytest.mark.parametrize(
    ("server", "words"),
    [
        (hai.__version__, ""),
        ("0.1.0+gffffffffff", f"is 0.1.0+gffffffffff, not the {hai.__version__} that is installed"),
        ("0.2.0+gffffffffff", "newer features may be missing"),
    ],
)
def test_versions_are_compared(
    cli: Cli, joined: Peer, monkeypatch: pytest.MonkeyPatch, server: str, words: str
) -> None:
    joined.on("GET", f"{API}/whoami", Reply(body={"server_version": server}))
    result = cli("version", "-o", "json")
    assert (json.loads(result.out)["server"], words in result.err) == (server, True)
    assert bool(result.err) is bool(words)
    assert not cli("--version").err, "a script gets its one line"
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    told = cli("--version")
    assert told.out == f"hai-cli {hai.__version__}\n"
    assert words in told.err
