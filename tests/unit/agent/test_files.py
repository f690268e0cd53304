"""Files in a directory that belongs to somebody else: no link is followed, nothing blocks."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from hai.agent import files
from hai.agent.control import Control


def names_in(path: Path) -> list[str]:
    return sorted(entry.name for entry in path.iterdir())


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[int]:
    fd = files.open_dir(str(tmp_path))
    yield fd
    os.close(fd)


def test_write_replaces_and_leaves_nothing_behind(tmp_path: Path, folder: int) -> None:
    files.write_json("a", {"n": 1}, folder)
    files.write_json("a", {"n": 2}, folder)
    assert files.read_json("a", folder) == {"n": 2}
    assert names_in(tmp_path) == ["a"]
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o600


def test_write_replaces_a_link_instead_of_following_it(tmp_path: Path, folder: int) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    (tmp_path / "suspend").symlink_to(victim)
    files.write("suspend", b"x", folder)
    assert victim.read_text() == "precious"
    assert (tmp_path / "suspend").read_text() == "x"


@pytest.mark.parametrize("kind", ["link", "fifo", "folder", "big", "missing"])
def test_only_small_regular_files_are_read(tmp_path: Path, folder: int, kind: str) -> None:
    path = tmp_path / "x"
    if kind == "link":
        path.symlink_to("/etc/hostname")
    elif kind == "fifo":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    elif kind == "big":
        path.write_bytes(b"1" * (files.MAX_BYTES + 1))
    assert files.read("x", folder) is None
    assert files.read_json("x", folder) is None


def test_failed_write_removes_its_temporary_file(tmp_path: Path, folder: int) -> None:
    (tmp_path / "taken").mkdir()
    with pytest.raises(OSError, match="directory"):
        files.write("taken", b"x", folder)
    assert names_in(tmp_path) == ["taken"]


def test_replies_are_not_written_through_a_link(tmp_path: Path) -> None:
    control = Control(str(tmp_path / "control"), None)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (tmp_path / "control" / "replies").rmdir()
    (tmp_path / "control" / "replies").symlink_to(elsewhere)
    control.reply("id1", True, "")
    assert names_in(elsewhere) == []


def test_control_reads_what_programs_write(tmp_path: Path) -> None:
    control = Control(str(tmp_path / "control"), None)
    own = tmp_path / "control"
    assert (control.is_acked, control.is_saved) == (False, False)
    assert control.watchdog_seconds() is None
    (own / "ack").touch()
    (own / "saved").touch()
    (own / "watchdog_seconds").write_text("12.5\n")
    assert (control.is_acked, control.is_saved) == (True, True)
    assert control.watchdog_seconds() == 12.5
    for text in ("", "-1", "nan", "inf", "soon"):
        (own / "watchdog_seconds").write_text(text)
        assert control.watchdog_seconds() is None, text


def test_requests_are_taken_once_and_malformed_ones_refused(tmp_path: Path) -> None:
    control = Control(str(tmp_path / "control"), None)
    own = tmp_path / "control"
    (own / "requests" / "a1.json").write_text('{"op": "set_priority", "value": 30}')
    (own / "requests" / "b2.json").write_text('{"op": "rm"}')
    (own / "requests" / "c3.json.tmp").write_text("half")
    new = control.requests({})
    assert new == [{"id": "a1", "op": "set_priority", "value": 30}]
    assert control.requests({"a1": new[0]}) == []
    assert '"ok": false' in (own / "replies" / "b2.json").read_text()
    control.reply("a1", True, "")
    assert names_in(own / "requests") == ["c3.json.tmp"]
    assert (own / "replies" / "a1.json").read_text() == '{"ok": true, "error": ""}'


def test_the_file_for_the_last_word_stays_small(tmp_path: Path) -> None:
    end_file = tmp_path / "end"
    end_file.write_bytes(b"x" * files.MOST_END_BYTES)
    files.keep_small(str(end_file))
    assert end_file.stat().st_size == files.MOST_END_BYTES
    with end_file.open("ab") as written:
        written.write(b"x")
        written.flush()
        files.keep_small(str(end_file))
        assert end_file.stat().st_size == 0
    files.keep_small(str(tmp_path / "none"))
    files.keep_small("")
