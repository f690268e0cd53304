"""Pushes through the API onto a disk that is full: refused in plain words, nothing is half
switched, and the same command completes when there is room."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

import haiworkspace
from hai.errors import OverQuota
from tests.integration.workspaces import Project, by_api, names
from tests.served import Served

MIB = 2**20
SIZE = 16 * MIB
MOST_INODES = 400
USERS = 200  # of all tests of one process


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server whose workspaces lie on a file system of their own."""
    users = {f"ann{number}": os.geteuid() for number in range(USERS)}
    made = Served(tmp_path_factory.mktemp("full") / "platform", users)
    disk = made.folder / "workspace"
    disk.mkdir(mode=0o711)
    options = f"size={SIZE},nr_inodes={MOST_INODES},mode=0711"
    if subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", disk]).returncode:
        pytest.skip("a tmpfs cannot be mounted here (not root, or no CAP_SYS_ADMIN)")
    try:
        made.start()
        yield made
    finally:
        if made.is_alive:
            made.kill()
        subprocess.run(["umount", "-l", disk], check=True)


class Ballast:
    """What takes the room on the disk, but for what is left to the test."""

    def __init__(self, disk: Path) -> None:
        self._folder = disk / "ballast"
        self._folder.mkdir()
        self._file = self._folder / "bytes"
        self._count = 0

    def leave_bytes(self, free: int) -> None:
        self._file.unlink(missing_ok=True)
        status = os.statvfs(self._folder)
        taken = status.f_bavail * status.f_bsize - free
        with self._file.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, taken)

    def leave_inodes(self, free: int) -> None:
        while os.statvfs(self._folder).f_ffree > free:
            self._count += 1
            (self._folder / f"empty{self._count}").touch()
        while os.statvfs(self._folder).f_ffree < free:
            (self._folder / f"empty{self._count}").unlink()
            self._count -= 1

    def remove(self) -> None:
        for path in self._folder.iterdir():
            path.unlink()
        self._count = 0


@pytest.fixture
def ballast(platform: Served) -> Iterator[Ballast]:
    made = Ballast(platform.folder / "workspace")
    yield made
    made.remove()
    (platform.folder / "workspace" / "ballast").rmdir()


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, platform: Served) -> Iterator[Project]:
    made = by_api(Project(tmp_path), monkeypatch, platform)
    yield made
    made.run_checked("remove", "digits", "--yes")  # the disk is small


def contents(folder: Path) -> dict[str, bytes]:
    return {
        name: os.fsencode((folder / name).readlink())
        if (folder / name).is_symlink()
        else (folder / name).read_bytes()
        for name in names(folder)
    }


def folders(root: Path) -> dict[str, int]:
    """With their permissions."""
    found = {path.relative_to(root): path for path in root.rglob("*") if path.is_dir()}
    return {str(one): found[one].stat().st_mode for one in found if ".hai" not in one.parts}


def _is_full(project: Project) -> bool:
    """Whether a push ends by that; it raises nothing else."""
    try:
        haiworkspace.push(project.local, delete=True)
    except OverQuota as error:
        return "no space left" in error.message
    return False


@pytest.mark.parametrize("free", [0, 64 * 1024, 4 * MIB], ids=["none", "some", "for chunks"])
def test_no_room_for_what_is_sent(project: Project, ballast: Ballast, free: int) -> None:
    """Not for all chunks, or not for the file that is made of them."""
    project.write(a="one", gone="old")
    (project.local / "big").write_bytes(os.urandom(3 * MIB))
    project.run_checked("push")
    before = contents(project.remote)
    project.write(a="two", b="new")
    (project.local / "gone").unlink()
    (project.local / "big").write_bytes(os.urandom(3 * MIB + 5))
    ballast.leave_bytes(free)
    done = project.run("push", "--delete")
    assert (done.returncode, "Traceback" in done.stderr) == (5, False), done.stderr
    assert "there is no space left where workspaces are kept" in done.stderr
    assert "hint: tell an administrator; the same command again goes on" in done.stderr
    assert contents(project.remote) == before
    assert not list((project.remote / ".hai" / "incoming").glob("*.whole"))
    assert project.run("diff").returncode == 1, "a full disk can be looked at"
    ballast.remove()
    project.run_checked("push", "--delete")
    assert contents(project.remote) == contents(project.local)
    assert project.run("diff").returncode == 0


def test_no_room_at_any_step(project: Project, ballast: Ballast) -> None:
    """One file after the other may be made until there are no more inodes: wherever a push ends by
    that, the tree is the old one, until one is as a whole the new one."""
    (project.local / "d").mkdir(mode=0o755)
    project.write(a="one", m="one", gone="old", **{"d/same": "same"})
    haiworkspace.push(project.local)
    before, there = contents(project.remote), folders(project.remote)
    project.write(a="two", m="two")
    (project.local / "gone").unlink()
    (project.local / "d").chmod(0o700)
    for name in ("k", "z/inner"):
        (project.local / name).mkdir(parents=True)
        project.write(**{f"{name}/new": name})
    (project.local / "link").symlink_to("a" * 200)
    refused = 0
    for free in range(MOST_INODES):
        ballast.leave_inodes(free)
        if not _is_full(project):
            break
        assert contents(project.remote) == before, f"with {free} inodes"
        assert folders(project.remote) == there, f"with {free} inodes"
        refused += 1
    assert refused > 3
    assert contents(project.remote) == contents(project.local)
    assert folders(project.remote) == folders(project.local)
    assert haiworkspace.diff(project.local).is_same
