"""Files that are whole or not there, and locks that harm nothing."""

import fcntl
import os
import stat
from pathlib import Path

import pytest

from hai import files

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")


def test_a_file_is_replaced_in_one_step(tmp_path: Path) -> None:
    path = tmp_path / "a"
    files.write_whole(path, "first")
    with path.open() as held:
        files.write_whole(path, b"second", mode=0o644)
        assert held.read() == "first", "who reads has a whole file"
    assert path.read_text() == "second"
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    assert list(tmp_path.iterdir()) == [path]


def test_without_a_mode_the_umask_decides(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        files.write_whole(tmp_path / "a", "", mode=None)
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o640


def test_a_link_is_replaced_and_not_followed(tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.write_text("mine")
    (tmp_path / "a").symlink_to(target)
    files.write_whole(tmp_path / "a", "new")
    assert target.read_text() == "mine"
    assert not (tmp_path / "a").is_symlink()


@pytest.mark.parametrize("name", ["x" * 255, "caf\udce9", "雪" * 85])
def test_any_name(tmp_path: Path, name: str) -> None:
    with files.opened_folder(tmp_path) as folder:
        files.write_whole(name, "text", folder=folder)
    assert (tmp_path / name).read_text() == "text"


def test_what_fails_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(OSError, match="directory"):
        files.write_whole(tmp_path / "folder", "text")
    assert [one.name for one in tmp_path.iterdir()] == ["folder"]


def test_a_large_file_is_there_when_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_text("first")
    with files.new_file(path, mode=0o644, sync=True) as file:
        file.write(b"sec")
        assert path.read_text() == "first"
        file.write(b"ond")
    assert path.read_text() == "second"
    assert stat.S_IMODE(path.stat().st_mode) == 0o644

    def interrupted() -> None:
        with files.new_file(path) as file:
            file.write(b"third")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert path.read_text() == "second"
    assert list(tmp_path.iterdir()) == [path]


def test_what_a_killed_process_left_is_written_anew(tmp_path: Path) -> None:
    (tmp_path / ".a.part").write_text("a half")
    with files.new_file(tmp_path / "a", part=".a.part") as file:
        assert (tmp_path / ".a.part").read_text() == ""
        file.write(b"whole")
    assert (tmp_path / "a").read_text() == "whole"
    assert [one.name for one in tmp_path.iterdir()] == ["a"]


def test_a_file_that_must_be_new_replaces_none(tmp_path: Path) -> None:
    path = tmp_path / "a"
    files.write_whole(path, "first", replaces=False)
    with pytest.raises(FileExistsError):
        files.write_whole(path, "second", replaces=False)
    assert path.read_text() == "first"
    assert path.stat().st_nlink == 1
    assert list(tmp_path.iterdir()) == [path]


def test_a_lock_is_held_and_its_file_never_changed(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    path.write_text("precious")
    handle = files.open_lock(path)
    with files.held(handle), path.open() as other, pytest.raises(BlockingIOError):
        fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
    assert path.read_text() == "precious"


def test_what_is_no_file_is_no_lock(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    for name in ("link", "pipe", "folder"):
        with pytest.raises(OSError):  # noqa: PT011 (each has its own words)
            files.open_lock(tmp_path / name)
    assert not (tmp_path / "elsewhere").exists()


@needs_root
def test_whose_a_file_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a"
    path.write_text("")
    files.check_trusted(path)
    os.chown(path, 12345, 12345)
    with pytest.raises(PermissionError, match="belongs to 12345"):
        files.check_trusted(path)
    with pytest.raises(PermissionError, match="belongs to 12345"):
        files.open_lock(path, owners=files.trusted_owners())
    monkeypatch.setenv("SUDO_UID", "12345")
    files.check_trusted(path)
    path.chmod(0o666)
    with pytest.raises(PermissionError, match="everybody may write"):
        files.check_trusted(path)


@needs_root
def test_a_link_of_somebody_else_to_ones_own_file(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("")
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "mine")
    files.check_trusted(link)
    os.chown(link, 12345, 12345, follow_symlinks=False)
    with pytest.raises(PermissionError, match="belongs to 12345"):
        files.check_trusted(link)
