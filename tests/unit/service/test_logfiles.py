"""Reading segments: what was written comes out once, in order, wherever the cuts are."""

from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hai.service.logfiles import LONGEST_LINE_BYTES, RankTail, merge, segments, tail_position

STAMP = "[2026-01-02 03:04:05.{:06d}] "


def write(directory: Path, rank: int, data: bytes, cuts: list[int] | None = None) -> None:
    """Lay `data` down in segments that are cut at these offsets."""
    directory.mkdir(parents=True, exist_ok=True)
    edges = [0, *sorted(set(cuts or [])), len(data)]
    for start, end in pairwise(edges):
        (directory / f"{rank}.{start:020d}.log").write_bytes(data[start:end])


def lines(*texts: str, step: int = 1, first: int = 0) -> bytes:
    return "".join(
        f"{STAMP.format(first + index * step)}{text}\n" for index, text in enumerate(texts)
    ).encode()


def read(directory: Path, rank: int = 0, position: int = 0) -> list[str]:
    return [line.text for line in merge([RankTail(directory, rank, position)], final=True)]


def test_prefix_becomes_the_time(tmp_path: Path) -> None:
    write(tmp_path, 0, lines("hello"))
    [line] = merge([RankTail(tmp_path, 0)])
    assert (line.text, line.at, line.rank) == ("hello", 1767323045.0, 0)


def test_ranks_are_merged_by_time(tmp_path: Path) -> None:
    write(tmp_path, 0, lines("a", "c", step=2))
    write(tmp_path, 1, lines("b", "d", step=2, first=1))
    tails = [RankTail(tmp_path, 0), RankTail(tmp_path, 1)]
    assert [line.text for line in merge(tails)] == ["a", "b", "c", "d"]


def test_an_unfinished_line_waits_until_it_is_complete_or_final(tmp_path: Path) -> None:
    data = lines("one", "two")
    write(tmp_path, 0, data[:-4])
    tail = RankTail(tmp_path, 0)
    assert [line.text for line in merge([tail])] == ["one"]
    write(tmp_path, 0, data)
    assert [line.text for line in merge([tail])] == ["two"]
    assert tail.position == len(data)


def test_bytes_that_are_no_utf8_and_very_long_lines_come_through(tmp_path: Path) -> None:
    long = "x" * (LONGEST_LINE_BYTES + 10)
    write(tmp_path, 0, lines("\N{SNOWMAN}") + b"\xff\xfe\n" + lines(long))
    snowman, broken, *pieces = read(tmp_path)
    assert snowman == "\N{SNOWMAN}"
    assert broken == "\N{REPLACEMENT CHARACTER}" * 2
    assert "".join(pieces) == long


def test_rotation_while_reading_is_counted_and_reading_goes_on(tmp_path: Path) -> None:
    data = lines("one", "two", "three")
    width = len(lines("one"))
    write(tmp_path, 0, data, [width, 2 * width])
    tail = RankTail(tmp_path, 0)
    assert tail.fill()
    assert tail.pop().text == "one"
    for segment in segments(tmp_path)[0][:2]:
        segment.path.unlink()
    assert [line.text for line in merge([tail])] == ["three"]
    assert tail.lost_bytes == width
    assert tail.position == len(data)


@given(
    texts=st.lists(st.text(st.characters(exclude_characters="\n\r", codec="utf-8"))),
    cut_seeds=st.lists(st.floats(0, 1), max_size=5),
    resume_at=st.integers(0, 20),
)
def test_any_cut_and_any_resume_gives_the_same_lines(
    tmp_path_factory: pytest.TempPathFactory,
    texts: list[str],
    cut_seeds: list[float],
    resume_at: int,
) -> None:
    directory = tmp_path_factory.mktemp("log")
    data = lines(*texts)
    write(directory, 0, data, [int(seed * len(data)) for seed in cut_seeds])
    everything = list(merge([RankTail(directory, 0)]))
    assert [line.text for line in everything] == texts
    head = everything[:resume_at]
    position = head[-1].end if head else 0
    assert read(directory, 0, position) == texts[resume_at:]


@given(
    count=st.integers(0, 12),
    total=st.integers(0, 10),
    cut_seeds=st.lists(st.floats(0, 1), max_size=4),
    complete=st.booleans(),
)
def test_tail_finds_the_last_lines(
    tmp_path_factory: pytest.TempPathFactory,
    count: int,
    total: int,
    cut_seeds: list[float],
    complete: bool,
) -> None:
    directory = tmp_path_factory.mktemp("log")
    texts = [f"line {index}" for index in range(total)]
    data = lines(*texts) if complete else lines(*texts)[:-1]
    write(directory, 0, data, [int(seed * len(data)) for seed in cut_seeds])
    position, found = tail_position(directory, 0, count)
    assert found == min(count, total)
    assert read(directory, 0, position) == (texts[-count:] if count else [])


def test_no_directory_and_strange_files_are_no_error(tmp_path: Path) -> None:
    assert segments(tmp_path / "none") == {}
    (tmp_path / "notes.txt").write_text("x")
    assert segments(tmp_path) == {}
    assert tail_position(tmp_path, 0, 5) == (0, 0)
