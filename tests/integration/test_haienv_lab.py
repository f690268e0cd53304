"""haienv in a lab: a private index, other users, what nobody uses any more."""

import base64
import contextlib
import hashlib
import json
import multiprocessing
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pip
import pytest

from hai.agent.envstore import EnvironmentStore
from hai.agent.packs import complete
from hai.agent.recorded import RecordedEnvironment
from hai.client.environments import with_environment
from hai.core.recorded import check_recorded
from hai.errors import Denied
from haienv.index import Index
from haienv.promises import changing
from haienv.recording import record
from tests.integration.agent_peer import public_python
from tests.integration.haienv_lab import SHELLS, Lab, wheel

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


@pytest.mark.parametrize("shell", SHELLS)
def test_hooks(lab: Lab, shell: str) -> None:
    name = Path(shell).name
    if not (lab.root / "hooked").exists():
        lab.layer("hooked")
    program = (
        f'PS1="> "; eval "$(haienv hook {name})"; haienv activate hooked; echo $HF_ENV_NAME;'
        'echo "$PS1"; haienv path hooked; haienv activate nothing || echo "status $?";'
        'deactivate; echo ${HF_ENV_NAME-left} "$PS1"'
    )
    done = lab.run(shell, *(["-f"] if name == "zsh" else []), "-c", program)
    assert done.stdout.splitlines() == [
        *("hooked", "(hooked) > ", str(lab.root / "hooked"), "status 3", "left > "),
    ]
    assert "haienv create nothing" in done.stderr


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
    assert {path.stem for path in packs.glob("*.json")} == {
        Path(second["pack"]).name.removesuffix(".tar.gz")
    }


def test_environments_with_the_same_packages_keep_their_packs(lab: Lab) -> None:
    """What one of them promised is not given up when the other one changes."""
    recorded = []
    for name in ("one", "two"):
        lab.layer(name)
        lab.env("add", name, "visiony")
        recorded.append(RecordedEnvironment(json.loads(lab.env("record", name, "--in-place"))))
    assert recorded[0].identity == recorded[1].identity
    for name in ("one", "two"):
        lab.env("drop", name, "visiony")
    for one in recorded:
        complete(one)
        assert hashlib.sha256(Path(one.pack).read_bytes()).hexdigest() == one.digest


def test_what_tasks_recorded_is_packed_before_it_changes(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not at submission where no node has a disk for packs."""
    path = lab.layer("promised")
    monkeypatch.setenv("HAIENV_PATH", str(lab.root))
    lab.env("add", "promised", "visiony")
    packs = lab.root / ".packs"

    def record(*words: str) -> tuple[dict[str, object], RecordedEnvironment]:
        options = json.loads(lab.env("record", "promised", *words))
        check_recorded(options)
        return options["environment"], RecordedEnvironment(options)

    found, recorded = record("--in-place")
    assert "digest" not in found
    assert not Path(recorded.pack).exists()
    lab.env("config", "append", "-n", "promised", "-k", "extra-environment", "-v", "A=1")
    assert not Path(recorded.pack).exists(), "no package has changed"
    with pytest.raises(ValueError, match="other than haienv"):
        complete(recorded)
    done = lab.run(str(lab.bin / "haienv"), "drop", "promised", "visiony")
    assert (done.returncode, "may run in it again" in done.stderr) == (0, True), done.stderr
    complete(recorded)
    assert hashlib.sha256(Path(recorded.pack).read_bytes()).hexdigest() == recorded.digest
    for answer, is_packed in (("in place", False), ("packed", True)):
        said = {"health": {"environments": answer}}
        wishes = with_environment({}, "promised", ask=said.__getitem__)
        assert ("digest" in wishes["options"]["environment"]) is is_packed
    place, handle = EnvironmentStore(str(lab.root.parent / "node"), 10**9).obtain(recorded)
    os.close(handle)
    assert list(Path(place).glob("lib/python3*/site-packages/visiony.py"))

    _, second = record("--in-place")
    lab.env("remove", "promised", "-y")
    assert not path.exists()
    complete(second)
    assert not list(packs.glob("*.promise")), "each was kept"


def test_what_a_task_recorded_is_kept_before_pip_changes_it(lab: Lab) -> None:
    path = _over_pip(lab, "piping")
    found = json.loads(lab.env("record", "piping", "--in-place"))["environment"]
    assert not Path(found["pack"]).exists()
    command = str(path / "bin" / "pip")
    lab.do(command, "list", "-q")
    assert not Path(found["pack"]).exists(), "nothing was changed"
    done = lab.run(command, "install", "-q", "smally==2.0")
    assert (done.returncode, "may run in it again" in done.stderr) == (0, True), done.stderr
    assert Path(found["pack"]).exists()
    assert lab.own("piping") == {"smally": "2.0"}
    done = lab.run(command, "uninstall", "-q", "-y", "smally")
    assert (done.returncode, done.stderr) == (0, ""), "nobody recorded it as it was then"


@pytest.mark.parametrize("way", ["python -m pip", "uv pip"])
def test_what_a_task_recorded_is_made_again_when_others_changed_it(lab: Lab, way: str) -> None:
    """Neither waits for haienv: whatever of it comes next makes the pack from the lock."""
    name = way.split()[0]
    path = _over_pip(lab, name)
    before, after = ("2.0", "1.0") if name == "python" else ("1.0", "2.0")
    lab.env("add", name, f"smally=={before}")
    found, recorded = _recorded(lab, name)
    python = str(path / "bin" / "python")
    packages = (f"smally=={after}", "torchy==3.0")
    if way == "python -m pip":
        lab.do(python, "-m", "pip", "install", "-q", *packages)
    else:
        uv = str(Path(sys.executable).with_name("uv"))
        words = ("--no-index", "-f", str(lab.wheels), "-p", python)
        lab.do(uv, "pip", "install", "-q", *words, *packages)
    assert lab.own(name) == {"smally": after, "torchy": "3.0"}
    with pytest.raises(ValueError, match="other than haienv"):
        complete(recorded)
    done = lab.run(str(lab.bin / "haienv"), "record", name, "--in-place")
    assert (done.returncode, "making that from its lock" in done.stderr) == (0, True), done.stderr
    assert json.loads(done.stdout)["environment"]["identity"] != found["identity"]
    complete(recorded)
    place, handle = EnvironmentStore(str(lab.root.parent / f"node-{name}"), 10**9).obtain(recorded)
    os.close(handle)
    program = "import smally, importlib.util as u; print(smally.version, u.find_spec('torchy'))"
    assert lab.do(f"{place}/bin/python", "-c", program).split() == [before, "None"]
    assert not list((lab.root / ".packs").glob(".again-*"))
    again = lab.run(str(lab.bin / "haienv"), "record", name, "--in-place")
    assert (again.returncode, again.stderr) == (0, ""), "once"


def test_what_cannot_be_made_again_is_told_once(lab: Lab) -> None:
    """And an environment can be used and changed all the same."""
    path = _over_pip(lab, "lost")
    made = wheel(lab.wheels, "rarely", "1.0")
    lab.env("add", "lost", "rarely")
    _, recorded = _recorded(lab, "lost")
    made.unlink()
    lab.do("rm", "-rf", str(lab.root / ".cache"))
    lab.do(str(path / "bin" / "python"), "-m", "pip", "uninstall", "-q", "-y", "rarely")
    haienv = str(lab.bin / "haienv")
    done = lab.run(haienv, "record", "lost", "--in-place")
    assert (done.returncode, "that cannot be had now" in done.stderr) == (0, True), done.stderr
    assert "rarely" in done.stderr
    assert lab.run(haienv, "record", "lost", "--in-place").stderr == ""
    with pytest.raises(ValueError, match="other than haienv"):
        complete(recorded)
    wheel(lab.wheels, "rarely", "1.0")
    done = lab.run(haienv, "add", "lost", "smally==2.0")
    assert (done.returncode, "may run in it again" in done.stderr) == (0, True), done.stderr
    done = lab.run(haienv, "record", "lost", "--in-place")
    assert "making that from its lock" in done.stderr, "it has changed since it was tried"
    complete(recorded)


def _over_pip(lab: Lab, name: str) -> Path:
    """A layer over a Python that has pip and little else, so that packs are small."""
    base = lab.bin.parent / "pipbase"
    if not base.exists():
        uv = str(Path(sys.executable).with_name("uv"))
        lab.do(uv, "venv", "-q", "--no-project", "-p", sys.executable, str(base))
        for part in Path(pip.__file__).parent.parent.glob("pip*"):
            shutil.copytree(part, next(base.glob("lib/python3*/site-packages")) / part.name)
    lab.env("create", name, "-p", str(base / "bin" / "python"))
    return lab.root / name


def _recorded(lab: Lab, name: str) -> tuple[dict[str, object], RecordedEnvironment]:
    options = json.loads(lab.env("record", name, "--in-place"))
    return options["environment"], RecordedEnvironment(options)


def test_the_wrapper_of_pip_comes_back(lab: Lab) -> None:
    """After pip has put another one in its place, as it does with its own when it is upgraded."""
    path = _over_pip(lab, "wrapped")
    command = path / "bin" / "pip"
    ours = command.read_text()
    wheel(lab.wheels, "pippy", "9.0", script="pip")
    install = (str(path / "bin" / "python"), "-m", "pip", "install", "-q", "--force-reinstall")
    for verb in (("record", "wrapped", "--in-place"), ("drop", "wrapped", "smally")):
        lab.do(*install, "pippy", "smally==2.0")
        assert lab.do(str(command)).split() == ["pippy", "9.0"]
        lab.env(*verb)
        assert command.read_text() == ours
        assert command.stat().st_mode & 0o111
    assert lab.do(str(command), "--version").startswith("pip ")


def test_two_make_one_name_at_once(lab: Lab) -> None:
    """One makes it, the other one is told; nothing is half done."""
    words = (str(lab.bin / "haienv"), "create", "twice", "-y", "-p", str(lab.base / "bin/python"))
    started = [
        subprocess.Popen(words, env=lab.variables, stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    said = {child.communicate(timeout=500)[1]: child.returncode for child in started}
    assert sorted(said.values()) == [0, 6], said
    assert any("you have an environment 'twice' already" in text for text in said)
    assert lab.env("verify", "twice") == ""
    assert lab.says("twice", "import torchy; print(torchy.version)") == "2.1+lab"


def test_what_was_promised_can_be_given_up(lab: Lab) -> None:
    """On a full disk an environment must still be removable, and half a pack is none."""
    lab.layer("full")
    lab.env("add", "full", "smally==2.0")
    pack = Path(json.loads(lab.env("record", "full", "--in-place"))["environment"]["pack"])
    limited = ("bash", "-c", 'ulimit -f 0; exec "$@"', "-", str(lab.bin / "haienv"))
    done = lab.run(*limited, "remove", "full", "-y")
    assert done.returncode == 5, done.stderr
    assert "haienv gc --keep-days 0" in done.stderr
    assert lab.own("full") == {"smally": "2.0"}
    assert not pack.exists()
    assert not list(pack.parent.glob(".*.part"))
    lab.env("gc", "--keep-days", "0")
    lab.env("remove", "full", "-y")
    assert not pack.exists()


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
