"""Where people type, on real terminals."""

import os
import pty
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from hai.agent.terminals import MARK, Marker, marks, number_of, tty_of
from tests.waiting import wait_until


@pytest.fixture
def cat() -> Iterator[tuple[int, int]]:
    """A program that reads from a terminal: its pid, and the keyboard's end."""
    pid, keyboard = pty.fork()
    if pid == 0:
        os.execvp("cat", ["cat"])  # noqa: S606
    try:
        yield pid, keyboard
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        os.close(keyboard)


@pytest.mark.parametrize(
    ("tty", "number"),
    [(0, -1), (34816, 0), (34817, 1), (0x8900, 256), (0x0501, -1), (0x108800, 256)],
)
def test_numbers(tty: int, number: int) -> None:
    assert number_of(tty) == number


def test_a_terminal_is_found_and_output_leaves_it_alone(
    cat: tuple[int, int], tmp_path: Path
) -> None:
    pid, _ = cat
    wait_until(lambda: tty_of(pid) != 0, what="a terminal")
    found = marks([pid], str(tmp_path))
    (place,) = found
    assert place == f"/dev/pts/{number_of(tty_of(pid))}"
    os.utime(place, ns=(5, Path(place).stat().st_mtime_ns))  # read from long ago
    before = marks([pid], str(tmp_path))
    Path(place).write_text("output\n")
    assert marks([pid], str(tmp_path)) == before


def test_typing_is_seen(cat: tuple[int, int], tmp_path: Path) -> None:
    pid, keyboard = cat
    wait_until(lambda: tty_of(pid) != 0, what="a terminal")
    place = f"/dev/pts/{number_of(tty_of(pid))}"
    os.utime(place, ns=(5, Path(place).stat().st_mtime_ns))  # read from long ago
    before = marks([pid], str(tmp_path))
    os.write(keyboard, b"x\n")
    wait_until(lambda: marks([pid], str(tmp_path)) != before, what="a mark")


def test_input_without_a_terminal_is_marked(tmp_path: Path) -> None:
    assert marks([], str(tmp_path)) == {}
    Marker(str(tmp_path)).note()
    path = tmp_path / MARK
    first = marks([], str(tmp_path))
    assert list(first) == [str(path)]
    os.utime(path, ns=(5, 5))
    marker = Marker(str(tmp_path))
    marker.note()
    second = marks([], str(tmp_path))
    assert second != {str(path): 5}
    os.utime(path, ns=(5, 5))
    marker.note()
    assert marks([], str(tmp_path)) == {str(path): 5}, "not at every byte"


def test_a_mark_is_no_way_to_write_elsewhere(tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.write_text("kept")
    os.utime(other, ns=(5, 5))
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / MARK).symlink_to(other)
    Marker(str(tmp_path / "here")).note()
    assert other.stat().st_mtime_ns == 5
