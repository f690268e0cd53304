"""What only happens where a workspace lies behind an SSH server."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from typing import Any

import paramiko
import psutil
import pytest

import haiworkspace
from hai.cli.pushed import pushed_copy
from hai.errors import Unreachable
from haiworkspace.remotes.ssh import connect, watched
from tests.integration.workspaces import ROOT, Project, names, platform
from tests.served import Served
from tests.sshd import SSHD, Sshd, sshd
from tests.waiting import PATIENCE_SECONDS, wait_until

__all__ = ["platform"]  # a fixture
pytestmark = pytest.mark.skipif(SSHD is None, reason="there is no sshd")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Sshd]:
    with sshd(tmp_path) as made:
        yield made


@pytest.fixture
def far(server: Sshd, tmp_path: Path) -> Project:
    return _far(server, tmp_path)


def _far(server: Sshd, tmp_path: Path) -> Project:
    made = Project(tmp_path)
    made.variables = {"HOME": str(server.home)}
    made.via = f"ssh://{server.name}"
    made.init("--via", made.via)
    return made


def test_a_host_that_is_not_known_is_refused(far: Project, server: Sshd) -> None:
    known = server.home / ".ssh" / "known_hosts"
    good = known.read_text()
    known.write_text("")
    done = far.run("push")
    assert (done.returncode, "is no known host" in done.stderr) == (5, True), done.stderr
    other = (server.home / ".ssh" / "other.pub").read_text().split()[:2]
    known.write_text(f"[127.0.0.1]:{server.port} {' '.join(other)}\n")
    done = far.run("push")
    assert (done.returncode, "another host key" in done.stderr) == (5, True), done.stderr
    known.write_text(good)
    assert far.run("push").returncode == 0


def test_what_is_asked_of_a_closed_connection_says_that_it_was_lost(
    far: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", far.variables["HOME"])
    with closing(connect(far.via)) as client:
        sftp = client.open_sftp()
        client.close()
        with pytest.raises(Unreachable, match="was lost: Socket is closed"), watched(far.via):
            sftp.stat(".")


def test_a_key_that_is_not_taken(far: Project, server: Sshd) -> None:
    (server.home / ".ssh" / "authorized_keys").write_text("")
    done = far.run("push")
    assert (done.returncode, "takes none of your keys" in done.stderr) == (5, True), done.stderr
    assert not far.remote.exists()


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("--via", "sftp://x"), 2, "is no address"),
        (("--via", "ssh://h:99999"), 2, "is no address"),
        (("--via", "ssh://127.0.0.1:1"), 7, "cannot reach"),
        (("--via", "ssh://twin", "--remote", "../x"), 2, "cannot be a remote"),
        (("--provider", "sftp"), 2, "sftp leads to a machine"),
    ],
)
def test_wrong_addresses(far: Project, words: tuple[str, ...], code: int, said: str) -> None:
    before = (far.local / ".hai" / "workspace.yml").read_text()
    done = far.run("init", "digits", *words)
    assert (done.returncode, done.stdout) == (code, ""), done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert (far.local / ".hai" / "workspace.yml").read_text() == before


def test_a_task_runs_the_copy_there(far: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    (far.local / "src").mkdir()
    far.write(**{"src/train.py": "print(1)"})
    assert far.run("push").returncode == 0
    copy = pushed_copy(far.local / "src")
    assert copy is not None
    assert (copy.folder, copy.has("train.py"), copy.has("other.py")) == (
        far.remote / "src",
        True,
        False,
    )


def _submitted(far: Project, *words: str) -> tuple[dict[str, Any], str]:
    """The task, or what would be sent, and what was said."""
    done = subprocess.run(
        [sys.executable, "-c", "from hai.cli.main import main; main()", *words, "-o", "json"],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), **far.variables},
        cwd=far.local,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout), " ".join(done.stderr.split())


def test_without_snapshots_it_says_what_a_task_runs(far: Project) -> None:
    """It neither pushes nor makes a snapshot, and says so."""
    far.write(**{"train.py": "print(1)"})
    place = far.local / ".hai" / "workspace.yml"
    place.write_text(f"{place.read_text()}snapshots: false\n")
    words = ("python", "train.py", "--", "--dry-run")
    document, said = _submitted(far, *words)
    assert document["spec"]["workspace"] == str(far.local)
    assert "warning: this workspace is behind ssh and was never pushed" in said
    assert "`haiworkspace push` first sends it" in said
    far.run_checked("push")
    far.write(**{"train.py": "print(2)"})
    document, said = _submitted(far, *words)
    assert document["spec"]["workspace"] == str(far.remote)
    assert "runs the copy that was pushed at 20" in said
    assert "nothing was pushed now, and the task runs no snapshot" in said
    assert (far.remote / "train.py").read_text() == "print(1)"


def _task(far: Project, platform: Served, name: str) -> tuple[dict[str, Any], str]:
    """A task that was submitted, and what was said."""
    user = f"ann{platform.port % 100}"
    far.variables["HAI_CONF"] = str(platform.profile(user))
    words = ("python", "train.py", "--", "-p", "NORMAL", "--name", name)
    answer, said = _submitted(far, *words)
    with platform.client(user) as client:
        task: dict[str, Any] = client.get(f"/tasks/{answer['id']}").json()
    return task, said


def test_a_task_runs_a_snapshot_there(tmp_path: Path, platform: Served) -> None:
    """haiworkspace makes it on the machine behind ssh; later pushes leave it as it is."""
    programs = tmp_path / "programs"
    programs.mkdir()
    program = programs / "haiworkspace"
    words = f"{sys.executable} -c 'from haiworkspace.cli import main; main()'"
    program.write_text(f'#!/bin/sh\nPYTHONPATH={ROOT} exec {words} "$@"\n')
    program.chmod(0o755)
    with sshd(tmp_path, path=f"{programs}:/usr/bin:/bin") as server:
        far = _far(server, tmp_path)
        (far.local / "src").mkdir()
        far.write(**{"train.py": "print(1)", "src/part.py": "one"})
        (far.local / "data").write_bytes(os.urandom(1_500_000))
        first, said = _task(far, platform, "first")
        assert "runs snapshot" in said
        made = Path(first["spec"]["spec"]["workspace"])
        known = first["spec"]["options"]["snapshot"]
        assert made == far.remote / ".hai" / "snapshots" / known["id"]
        assert first["spec"]["spec"]["environments"]["HAI_WORKSPACE"] == str(far.remote)
        far.write(**{"src/part.py": "two"})
        second, _ = _task(far, platform, "second")
        assert second["spec"]["options"]["snapshot"]["id"] != known["id"]
        assert (far.remote / "src" / "part.py").read_text() == "two"
        assert (made / "src" / "part.py").read_text() == "one"
        (made / "out").write_text("results")
        changes = json.loads(far.run("diff", str(first["id"]), "-o", "json").stdout)
        assert [(one["change"], one["path"]) for one in changes] == [("changed", "src/part.py")]
        far.run_checked("pull", str(first["id"]))
        assert (far.local / "out").read_text() == "results"
        assert (far.local / "src" / "part.py").read_text() == "two"
        _check_trouble(far, program)


def _check_trouble(far: Project, program: Path) -> None:
    """An error there is told as such, and what breaks is no snapshot."""
    (far.remote / ".hai" / "objects").rename(far.remote / ".hai" / "moved")
    (far.remote / ".hai" / "objects").symlink_to(far.local)
    far.write(**{"train.py": "print(3)"})
    done = far.run("snapshot")
    assert (done.returncode, "objects is a link" in done.stderr) == (5, True), done.stderr
    program.write_text("#!/bin/sh\necho oops\nexit 9\n")
    done = far.run("snapshot")
    assert (done.returncode, "made no snapshot (exit code 9)" in done.stderr) == (1, True)


def test_a_task_runs_what_was_pushed_where_there_can_be_no_snapshot(
    far: Project, platform: Served
) -> None:
    """haiworkspace is not installed there."""
    far.write(**{"train.py": "print(1)"})
    task, said = _task(far, platform, "third")
    assert task["spec"]["spec"]["workspace"] == str(far.remote)
    assert "snapshot" not in task["spec"]["options"]
    assert f"the task runs no snapshot but {far.remote}" in said
    assert (far.remote / "train.py").read_text() == "print(1)", "it was pushed"
    done = far.run("snapshot")
    assert (done.returncode, "where haiworkspace is not installed" in done.stderr) == (2, True)


def test_a_push_that_is_cut_off_is_ended_by_the_next(far: Project) -> None:
    """The server's process dies while files go over; no half file has its name."""
    for number in range(200):
        far.write(**{f"f{number:03}": f"{number}" * 2000})
    program = "from haiworkspace.cli import main; main()"
    child = subprocess.Popen(
        [sys.executable, "-c", program, "push"],
        env={"PYTHONPATH": str(ROOT), **far.variables},
        cwd=far.local,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    wait_until(lambda: far.remote.exists() and len(names(far.remote)) > 5)
    child.send_signal(signal.SIGSTOP)  # to look for the processes takes long; it must not end first
    for process in psutil.process_iter():
        with suppress(psutil.Error):  # of others, and ended meanwhile
            if "sshd" in process.name() and _is_of(process, far):
                process.kill()
    child.send_signal(signal.SIGCONT)
    said = child.communicate(timeout=2 * PATIENCE_SECONDS)[1]
    assert "Traceback" not in said, said
    for path in far.remote.glob("f*"):
        assert path.read_text() == (far.local / path.name).read_text()
    assert child.returncode == 7, said
    done = far.run("push")
    assert done.returncode == 0, done.stderr
    assert names(far.remote) == names(far.local)
    assert list((far.remote / ".hai" / "incoming").iterdir()) == []
    assert json.loads(far.run("diff", "-o", "json").stdout) == []


def test_nobody_else_can_look_at_what_arrives(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the server's umask is: from the moment at which a file is made."""
    with ExitStack() as stack:
        before = os.umask(0)
        try:
            server = stack.enter_context(sshd(tmp_path))
        finally:
            os.umask(before)
        far = _far(server, tmp_path)
        monkeypatch.setenv("HOME", far.variables["HOME"])
        far.local.chmod(0o755)
        far.write(**{"open.py": "pass"})
        far.run_checked("push")
        (far.remote / ".hai" / "incoming").chmod(0o755)  # as somebody may have left it
        _check_what_others_see(far, monkeypatch)


def _check_what_others_see(far: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    (far.local / "closed").mkdir(0o700)
    far.write(**{"closed/key": "secret", "token": "secret", "new.py": "pass"})
    for name in ("closed/key", "token"):
        (far.local / name).chmod(0o600)
    before = _seen_by_others(far.remote)
    made: list[str] = []
    seen: set[str] = set()
    opened = paramiko.SFTPClient.open

    def looked_at(self: paramiko.SFTPClient, name: str, mode: str = "r") -> paramiko.SFTPFile:
        found = opened(self, name, mode)
        if "r" not in mode:
            made.append(name)
            seen.update(_seen_by_others(far.remote) - before)
        return found

    monkeypatch.setattr(paramiko.SFTPClient, "open", looked_at)
    haiworkspace.push(far.local)
    assert len([one for one in made if "origin.json" not in one]) == 3
    assert {one for one in seen if "origin.json" not in one} <= {"new.py"}
    assert _seen_by_others(far.remote) - before == {"new.py"}
    assert names(far.remote) == names(far.local)
    assert list((far.remote / ".hai" / "incoming").iterdir()) == []


def _seen_by_others(folder: Path) -> set[str]:
    """The files that the permissions of all directories above them let others read."""
    found = set()
    for path in folder.rglob("*"):
        above = [one for one in path.parents if one.is_relative_to(folder)]
        is_reached = all(one.stat().st_mode & 0o001 for one in above)
        if path.is_file() and is_reached and path.stat().st_mode & 0o004:
            found.add(str(path.relative_to(folder)))
    return found


def test_a_link_is_no_place_for_what_arrives(far: Project, tmp_path: Path) -> None:
    far.write(a="one")
    far.run_checked("push")
    incoming = far.remote / ".hai" / "incoming"
    incoming.rmdir()
    incoming.symlink_to(tmp_path)
    before = sorted(tmp_path.iterdir())
    far.write(a="two")
    done = far.run("push")
    assert (done.returncode, "it is a link, or no folder" in done.stderr) == (5, True), done.stderr
    assert sorted(tmp_path.iterdir()) == before
    assert (far.remote / "a").read_text() == "one"


def _is_of(process: psutil.Process, far: Project) -> bool:
    """Whether it serves one of our connections: a child of our sshd."""
    try:
        above = [str(word) for one in process.parents() for word in one.cmdline()]
    except psutil.Error:
        return False
    return any(str(far.local.parents[1]) in word for word in above)
