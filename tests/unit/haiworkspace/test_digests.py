"""When a file is read again: the index of sizes, times and inodes."""

import os
from pathlib import Path

from hai.workspace.listing import file_time, is_settled
from haiworkspace.ignore import Rules
from haiworkspace.listing import KnownDigests, list_tree


def test_an_unchanged_file_is_not_read_again(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("one")
    first = KnownDigests({}, now=2**62)
    list_tree(tmp_path, Rules(()), first)
    known = {name: (stamp, "as known") for name, (stamp, _) in first.seen.items()}
    again = KnownDigests(known, now=2**62)
    assert list_tree(tmp_path, Rules(()), again).entries["a"].digest == "as known"


def test_another_inode_of_the_same_size_and_time_is_read(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("one")
    first = KnownDigests({}, now=2**62)
    list_tree(tmp_path, Rules(()), first)
    (size, mtime, ctime, inode), _ = first.seen["a"]
    other = KnownDigests({"a": ((size, mtime, ctime, inode + 1), "of another file")}, now=2**62)
    assert list_tree(tmp_path, Rules(()), other).entries["a"].digest != "of another file"


def test_what_was_written_in_this_moment_is_not_remembered(tmp_path: Path) -> None:
    """It may be written once more within the same tick, with the same size."""
    (tmp_path / "a").write_text("one")
    written = (tmp_path / "a").stat()
    last = max(written.st_mtime_ns, written.st_ctime_ns)
    racy, late = KnownDigests({}, now=last), KnownDigests({}, now=last + 10**9)
    for digests in (racy, late):
        list_tree(tmp_path, Rules(()), digests)
    assert (list(racy.seen), list(late.seen)) == ([], ["a"])
    assert not is_settled((3, last, last, 1), last)


def test_the_clock_is_that_of_the_file_system(tmp_path: Path) -> None:
    (tmp_path / ".hai").mkdir()
    lock = tmp_path / ".hai" / "workspace.lock"
    lock.touch()
    os.utime(lock, (0, 0))
    root = os.open(tmp_path, os.O_RDONLY)
    try:
        now = file_time(root)
        assert lock.stat().st_mtime_ns - 2 * 10**9 <= now <= lock.stat().st_mtime_ns
        assert now > 10**18
        outside = tmp_path / "outside"
        outside.touch()
        os.utime(outside, (5, 5))
        lock.unlink()
        lock.symlink_to(outside)
        file_time(root)
        assert outside.stat().st_mtime == 5
    finally:
        os.close(root)
