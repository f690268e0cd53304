"""Pushes through the API that go wrong: nothing is lost, no half file has a name, and the next push
completes."""

import os
import random
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import haiworkspace
from hai.client.http import HaiClient
from hai.errors import Conflict, HaiError, OverQuota
from haiworkspace.remotes import sending
from tests.cutting import Cutter, cutter
from tests.integration.workspaces import ROOT, Project, by_api, names
from tests.served import Served, served
from tests.waiting import wait_until

CUTS = 20
TOLD = ("", "unreachable", "timeout", "conflict")  # a busy machine may be too slow to answer


@pytest.fixture(scope="module")
def own_platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    users = {f"ann{number}": os.geteuid() for number in range(200)}
    with served(tmp_path_factory.mktemp("faults") / "platform", users) as made:
        yield made


@pytest.fixture
def platform(own_platform: Served) -> Iterator[Served]:
    """One that may be killed; it is there again for the next test."""
    yield own_platform
    if not own_platform.is_alive:
        own_platform.start()


@pytest.fixture
def line(platform: Served) -> Iterator[Cutter]:
    with cutter(platform.port) as made:
        yield made


@pytest.fixture
def project(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, platform: Served, line: Cutter
) -> Project:
    return by_api(Project(tmp_path), monkeypatch, platform, line.port)


def contents(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in names(folder)}


def fill(project: Project, seed: int) -> None:
    """Files of all sizes, other ones each time."""
    chosen = random.Random(seed)  # noqa: S311
    for number in range(12):
        path = project.local / f"d{number % 3}" / f"f{number}"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(chosen.randbytes(chosen.choice([0, 10, 3000, 70_000])))
    (project.local / "big").write_bytes(chosen.randbytes(2 << 20))


def outcome(transfer: Callable[[Path], object], project: Project) -> str:
    """ "", or the code of the error."""
    try:
        transfer(project.local)
    except HaiError as error:
        return error.code
    return ""


def test_a_line_that_is_cut_anywhere(project: Project, line: Cutter) -> None:
    chosen = random.Random(19)  # noqa: S311
    versions = {"big": set[bytes]()}
    for number in range(CUTS):
        fill(project, number // 4)
        for name, data in contents(project.local).items():
            versions.setdefault(name, set()).add(data)
        line.cut_after = chosen.randrange(300, 1 << 20)
        assert outcome(haiworkspace.push, project) in TOLD
        for name, data in contents(project.remote).items() if project.remote.exists() else ():
            assert data in versions[name], "a file is there as a whole, or not at all"
    assert line.cuts > 0
    line.cut_after = None
    fill(project, 99)
    haiworkspace.push(project.local)
    assert contents(project.remote) == contents(project.local)
    (project.remote / "result").write_bytes(os.urandom(9 << 20))
    line.cut_after = 6 << 20
    for _ in range(10):  # each goes on where the one before was cut off
        code = outcome(haiworkspace.pull, project)
        if not code:
            break
        assert code in TOLD
        assert not (project.local / "result").exists()
    assert contents(project.remote) == contents(project.local)


def test_a_server_that_is_killed(
    project: Project, platform: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(project, 1)
    haiworkspace.push(project.local)
    before = contents(project.remote)
    fill(project, 2)
    exchange = sending.Sending.document

    def killed(self: sending.Sending, document: dict[str, object]) -> list[str]:
        platform.kill()
        return exchange(self, document)

    with monkeypatch.context() as patch:
        patch.setattr(sending.Sending, "document", killed)
        with pytest.raises(HaiError) as told:
            haiworkspace.push(project.local)
    assert told.value.code == "unreachable"
    assert contents(project.remote) == before
    platform.start()
    haiworkspace.push(project.local)
    assert contents(project.remote) == contents(project.local)


@pytest.mark.parametrize("signum", [signal.SIGKILL, signal.SIGINT])
def test_a_client_that_is_killed(project: Project, line: Cutter, signum: signal.Signals) -> None:
    fill(project, 1)
    child = subprocess.Popen(
        [sys.executable, "-c", "from haiworkspace.cli import main; main()", "push"],
        env={"PYTHONPATH": str(ROOT), **project.variables},
        cwd=project.local,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    incoming = project.remote / ".hai" / "incoming"
    wait_until(
        lambda: child.poll() is not None or (incoming.is_dir() and any(incoming.iterdir())), 60
    )
    child.send_signal(signum)
    child.wait(60)
    for name, data in contents(project.remote).items():
        assert data == (project.local / name).read_bytes()
    haiworkspace.push(project.local)
    assert contents(project.remote) == contents(project.local)


def test_what_arrived_is_not_sent_again(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(project, 1)
    sent: list[str] = []
    exchange = HaiClient.exchange

    def counted(self: HaiClient, route: str, /, **words: Any) -> bytes:
        sent.append(route)
        return exchange(self, route, **words)

    def refused(*_: object) -> None:
        raise Conflict("stopped before the list of changes")

    with monkeypatch.context() as patch:
        patch.setattr(sending.Sending, "document", refused)
        with pytest.raises(Conflict, match="stopped"):
            haiworkspace.push(project.local)
    with monkeypatch.context() as patch:
        patch.setattr(HaiClient, "exchange", counted)
        haiworkspace.push(project.local)
    assert contents(project.remote) == contents(project.local)
    assert len(sent) == 1, "the list of changes, and no file"


def test_two_pushes_at_once(project: Project) -> None:
    """Both end well or are told; what is there is the whole of one of them, file by file."""
    fill(project, 1)
    told: list[HaiError] = []

    def push() -> None:
        try:
            haiworkspace.push(project.local)
        except HaiError as error:
            told.append(error)

    both = [threading.Thread(target=push) for _ in range(2)]
    for one in both:
        one.start()
    for one in both:
        one.join()
    assert {error.code for error in told} <= {"conflict"}
    haiworkspace.push(project.local)
    assert contents(project.remote) == contents(project.local)


def test_files_that_change_while_they_are_read(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    (project.local / "log").write_bytes(b"x" * (3 << 20))
    read = sending._read
    times = iter([True, True, False])

    def changing(*words: object) -> object:
        found = read(*words)  # type: ignore[arg-type]
        if next(times, False):
            with (project.local / "log").open("ab") as file:
                file.write(b"more")
        return found

    monkeypatch.setattr(sending, "_read", changing)
    haiworkspace.push(project.local)
    assert (project.remote / "log").read_bytes() == (project.local / "log").read_bytes()
    times = iter([True] * 3)
    (project.local / "log").write_bytes(b"y" * (3 << 20))
    with pytest.raises(Conflict, match="changes all the time"):
        haiworkspace.push(project.local)
    assert (project.remote / "log").read_bytes()[:1] == b"x"
    haiworkspace.push(project.local)
    assert (project.remote / "log").read_bytes() == (project.local / "log").read_bytes()


def test_names_and_links_of_all_kinds(project: Project) -> None:
    deep = project.local
    for _ in range(40):
        deep /= "d" * 60
        deep.mkdir()
    for odd in (b"n" * 255, b"\xff\xfe", "ü".encode() * 127, b"line\nbreak", b"%41%2F", b"a\\b"):
        (project.local / os.fsdecode(odd)).write_bytes(odd)
    (deep / "x").write_text("x")
    (project.local / "loop").symlink_to("loop")
    (project.local / "here").symlink_to(".")
    (project.local / "gone").symlink_to("/nowhere")
    haiworkspace.push(project.local)
    assert haiworkspace.diff(project.local).is_same
    for name in names(project.local):
        here, there = project.local / name, project.remote / name
        assert here.is_symlink() == there.is_symlink()
        assert here.is_symlink() or here.read_bytes() == there.read_bytes()
    assert names(project.remote) == names(project.local)


def test_a_quota_that_is_used_up(
    project: Project, platform: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What does not fit is refused as a whole; with room again the next push completes."""
    fill(project, 1)
    haiworkspace.push(project.local)
    before = contents(project.remote)
    platform.kill()
    monkeypatch.setattr(platform, "settings", {"HAI_WORKSPACE__USER_BYTES": str(3 << 20)})
    platform.start()
    fill(project, 2)
    with pytest.raises(OverQuota, match="MiB"):
        haiworkspace.push(project.local)
    assert contents(project.remote) == before
    platform.kill()
    monkeypatch.setattr(platform, "settings", {})
    platform.start()
    haiworkspace.push(project.local)
    assert contents(project.remote) == contents(project.local)
