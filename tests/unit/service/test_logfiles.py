"""Reading segments: what was written comes out once, in order, wherever the cuts are."""

import os
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hai.agent.lines import LineStamper
from hai.agent.segments import segment_name
from hai.service.logfiles import (
    CHUNK_BYTES,
    PREFIX_LENGTH,
    Line,
    RankTail,
    merge,
    segments,
    tail_position,
)

SOME = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
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


def joined(pieces: list[Line]) -> bytes:
    return b"".join(piece.data + b"\n" * (not piece.is_open) for piece in pieces)


def test_an_unfinished_line_is_handed_out_as_it_stands_each_byte_once(tmp_path: Path) -> None:
    data = lines("one", "50%\r 51%")
    tail = RankTail(tmp_path, 0)
    found = []
    for size in range(len(data) + 1):
        write(tmp_path, 0, data[:size])
        found.append(list(merge([tail])))
    assert joined([line for some in found for line in some]) == b"one\n50%\r 51%\n"
    assert all(line.at for some in found for line in some)
    assert joined([line for some in found[:-1] for line in some]) == b"one\n50%\r 51%"
    assert tail.position == len(data)


def test_a_reader_that_comes_back_within_a_line_goes_on_there(tmp_path: Path) -> None:
    # Looks like a time prefix, and is the program's.
    text = "ab" + STAMP.format(9) + "ef"
    data = lines("one", text)
    write(tmp_path, 0, data, [len(data) // 3, len(data) // 2])
    start = len(lines("one")) + PREFIX_LENGTH
    for position in range(start + 1, len(data)):
        whole = list(merge([RankTail(tmp_path, 0, position)]))
        assert joined(whole) == data[position:]
        assert whole[0].at == pytest.approx(1767323045.000001)


@pytest.mark.parametrize("character", ["\N{SNOWMAN}", "\N{GRINNING FACE}", "\xe9", "x"])
def test_a_long_line_is_cut_between_characters_and_has_one_end(
    tmp_path: Path, character: str
) -> None:
    long = "." + character * (10 * 2**20 // len(character.encode()))
    write(tmp_path, 0, lines("before", long, "after"))
    pieces = list(merge([RankTail(tmp_path, 0)]))
    assert joined(pieces) == f"before\n{long}\nafter\n".encode()
    assert "".join(piece.text for piece in pieces) == f"before{long}after"
    assert max(len(piece.data) for piece in pieces) <= 2 * CHUNK_BYTES


def test_half_a_character_waits_for_its_rest_or_the_end(tmp_path: Path) -> None:
    data = lines("\N{GRINNING FACE}")[:-3]
    write(tmp_path, 0, data)
    tail = RankTail(tmp_path, 0)
    assert list(merge([tail])) == []
    assert joined(list(merge([tail], final=True))) == "\N{GRINNING FACE}".encode()[:2]


def test_bytes_that_are_no_utf8_come_through(tmp_path: Path) -> None:
    write(tmp_path, 0, lines("\N{SNOWMAN}\r") + b"\xff\xfe\xf0\n")
    snowman, broken = merge([RankTail(tmp_path, 0)])
    assert snowman.text == "\N{SNOWMAN}\r"
    assert broken.data == b"\xff\xfe\xf0"
    assert broken.text == "\N{REPLACEMENT CHARACTER}" * 3


@SOME
@given(
    chunks=st.lists(st.binary(max_size=9) | st.sampled_from([b"\n", b"\r", b"\xe2", b"\x98\x83"])),
    breaks=st.lists(st.booleans()),
)
def test_whatever_a_program_writes_comes_back(
    tmp_path_factory: pytest.TempPathFactory, chunks: list[bytes], breaks: list[bool]
) -> None:
    """The agent's writer and the server's reader together; the reader may change in between."""
    directory = tmp_path_factory.mktemp("log")
    stamper, written = LineStamper(), b""
    found: list[Line] = []
    tail = RankTail(directory, 0)
    for number, chunk in enumerate(chunks):
        written += stamper.feed(chunk, 1.0) if chunk else b""
        if number < len(breaks) and breaks[number]:
            written += stamper.flush()
            write(directory, 0, written)
            found += merge([tail])
            tail = RankTail(directory, 0, tail.position)
    written += stamper.flush()
    write(directory, 0, written)
    found += merge([tail], final=True)
    assert joined(found) == b"".join(chunks)


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


@SOME
@given(
    texts=st.lists(st.text(st.characters(exclude_characters="\n", codec="utf-8"))),
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


@SOME
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


def test_links_are_not_followed(tmp_path: Path) -> None:
    """Where tasks are pods, users own their log folders."""
    secret = tmp_path / "secret"
    secret.write_bytes(b"[2026-01-01 00:00:00.000000] hers\n")
    alice, bob = tmp_path / "8" / "1", tmp_path / "7" / "1"
    for folder in (alice, bob):
        folder.mkdir(parents=True)
    (alice / segment_name(0, 0)).write_bytes(secret.read_bytes())
    (bob / segment_name(0, 0)).symlink_to(secret)
    os.mkfifo(bob / segment_name(1, 0))
    assert segments(bob) == {}
    (tmp_path / "7" / "2").symlink_to(alice)
    for folder, rank in ((bob, 0), (bob, 1), (tmp_path / "7" / "2", 0)):
        tail = RankTail(folder, rank)
        assert not tail.fill(final=True)
        assert not tail.lines
    assert RankTail(alice, 0).fill()
