"""haienv in a lab: a private index, other users, what nobody uses any more."""

import base64
import contextlib
import json
import multiprocessing
import os
import subprocess
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from hai.errors import Denied
from haienv.index import Index
from haienv.packages import changing
from haienv.recording import record
from tests.integration.agent_peer import public_python
from tests.integration.test_haienv_packages import Lab, wheel

DAEMON = 1
SECRET = "very-secret"  # noqa: S105 - of the test's own index
FORK = multiprocessing.get_context("fork")


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Lab:
    return Lab(tmp_path_factory.mktemp("lab"))


@contextlib.contextmanager
def private_index(folder: Path) -> Iterator[str]:
    """Its address with a password; without one it refuses."""
    wanted = "Basic " + base64.b64encode(f"ann:{SECRET}".encode()).decode()

    class Handler(SimpleHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.headers["Authorization"] == wanted:
                super().do_GET()
            else:
                self.send_error(401)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield f"http://ann:{SECRET}@127.0.0.1:{server.server_port}/simple/"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_a_private_index_and_markers(lab: Lab, tmp_path: Path) -> None:
    place = tmp_path / "simple" / "inhousey"
    place.mkdir(parents=True)
    made = wheel(place, "inhousey", "3.1", "smally>=1")
    (place / "index.html").write_text(f'<a href="{made.name}">{made.name}</a>')
    listed = tmp_path / "requirements.txt"
    listed.write_text('inhousey ; python_version >= "3.8"\nneverthere ; sys_platform == "win32"\n')
    lab.layer("private")
    with private_index(tmp_path) as address:
        settings: dict[str, Any] = {"PIP_NO_INDEX": "", "PIP_INDEX_URL": address}
        closed: dict[str, Any] = {
            **settings,
            "PIP_INDEX_URL": address.replace(f"ann:{SECRET}@", ""),
        }
        refused = lab.env("add", "private", "inhousey", code=1, **closed)
        said = lab.env("add", "private", "-r", str(listed), **settings)
    assert lab.own("private") == {"inhousey": "3.1"}
    lock = (lab.root / "private" / "haienv.lock").read_text()
    assert SECRET not in lock + said + refused + lab.env("export", "private")


def test_an_unknown_package_has_nothing_to_do_with_the_base(lab: Lab) -> None:
    lab.layer("unknown")
    refused = lab.env("add", "unknown", "nosuchpackagey", code=1)
    assert "nosuchpackagey" in refused
    assert "which index is asked" in refused
    assert "base" not in refused
    assert "layer" not in refused
    conflict = lab.env("add", "unknown", "visiony>=0.20", code=1)
    assert "hint: name a package of the base" in conflict


def test_hooks_of_bash(lab: Lab) -> None:
    lab.layer("hooked")
    program = (
        'eval "$(haienv hook bash)"; haienv activate hooked; echo $HF_ENV_NAME;'
        "haienv path hooked; deactivate; echo ${HF_ENV_NAME-left}"
    )
    said = lab.do("bash", "-c", program).splitlines()
    assert said == ["hooked", str(lab.root / "hooked"), "left"]


def test_entering_needs_no_python_and_never_something_old(lab: Lab) -> None:
    path = lab.layer("quick")
    enter = f"source {lab.bin}/haienv quick; echo $HF_ENV_PATH ${{MORE-}}"
    lab.bin.joinpath("haienv").rename(lab.bin / "whole")
    text = (lab.bin / "whole").read_text().split("\n", 1)[1]
    (lab.bin / "haienv").write_text(f"#!/nowhere/python\n{text}")
    try:
        assert lab.do("bash", "-euc", enter).split() == [str(path)]
    finally:
        (lab.bin / "whole").replace(lab.bin / "haienv")
    more = ("-k", "extra-environment", "-v", "MORE=more")
    lab.env("config", "append", "-n", "quick", *more)
    assert lab.do("bash", "-euc", enter).split() == [str(path), "more"]
    os.utime(path / "haienv.sh", (1, 1))
    (path / "haienv.sh").write_text("echo old\n")
    os.utime(path / "haienv.sh", (1, 1))
    assert lab.do("bash", "-euc", enter).split() == [str(path), "more"]


def test_what_nobody_uses_is_collected(lab: Lab) -> None:
    lab.layer("packed")
    lab.env("add", "packed", "visiony")
    packs = lab.root / ".packs"
    first = json.loads(lab.env("record", "packed"))["environment"]
    assert json.loads(lab.env("record", "packed"))["environment"] == first
    assert (packs.stat().st_mode & 0o777, Path(first["pack"]).stat().st_mode & 0o777) == (
        0o700,
        0o600,
    )
    lab.env("drop", "packed", "visiony")
    second = json.loads(lab.env("record", "packed"))["environment"]
    assert second["identity"] != first["identity"]
    os.utime(first["pack"], (1, 1))
    left = lab.root / ".removed.x.1"
    left.mkdir()
    lab.env("gc")
    assert not Path(first["pack"]).exists()
    assert Path(second["pack"]).exists()
    assert not left.exists()
    assert {path.name for path in packs.glob("*.json")} == {f"{second['identity']}.json"}


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_two_users(lab: Lab, tmp_path: Path) -> None:
    """Nobody reads, packs or changes what another one did not open."""
    closed = lab.layer("closed", "--private")
    lab.env("create", "opened", "-p", public_python())
    opened = lab.root / "opened"
    record(Index("ann", lab.root, None), "opened", follow=False, say=lambda _: None)
    for folder in (tmp_path, *tmp_path.parents, *lab.bin.parents):
        if str(folder).startswith("/tmp/"):
            folder.chmod(folder.stat().st_mode | 0o011)
    own = tmp_path / "daemon"
    own.mkdir()
    os.chown(own, DAEMON, DAEMON)

    def as_other() -> None:
        os.setgroups([])
        os.setresgid(DAEMON, DAEMON, DAEMON)
        os.setresuid(DAEMON, DAEMON, DAEMON)
        index = Index("daemon", own, lab.root.parent)
        found = index.find("opened[ann]")
        assert found.path == opened
        with pytest.raises(Denied):
            index.find("closed[ann]")
        with pytest.raises(Denied), changing(found):
            pass
        with pytest.raises(Denied):
            record(Index("daemon", lab.root, None), "opened", follow=False, say=lambda _: None)
        with pytest.raises(PermissionError):
            list((lab.root / ".packs").iterdir())
        made = record(index, "opened[ann]", follow=False, say=lambda _: None)["environment"]
        assert isinstance(made, dict)
        assert Path(made["pack"]).parent == own / ".packs"
        assert (made["name"], made["owner"]) == ("opened", "ann")

    child = FORK.Process(target=as_other)
    child.start()
    child.join()
    assert child.exitcode == 0
    assert closed.is_dir()
    assert (
        subprocess.run(
            ["find", str(lab.root), "-user", "daemon"], check=True, capture_output=True
        ).stdout
        == b""
    )
