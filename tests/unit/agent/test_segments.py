"""Log files: offsets add up, lines stay whole, the oldest go."""

from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hai.agent.segments import Segments, segment_name


def write_all(segments: Segments, data: bytes) -> None:
    while data:
        data = data[segments.write(data) :]


def files_of(folder: Path, rank: int = 0) -> dict[int, bytes]:
    files = sorted(folder.glob(f"{rank}.*.log"))
    return {int(file.name.split(".")[1]): file.read_bytes() for file in files}


def assert_offsets_add_up(files: dict[int, bytes]) -> None:
    ends = [offset + len(data) for offset, data in files.items()]
    assert list(files)[1:] == ends[:-1]


def test_name_has_twenty_digits() -> None:
    assert segment_name(3, 77) == "3.00000000000000000077.log"


def test_rotates_at_line_starts_and_deletes_the_oldest(tmp_path: Path) -> None:
    segments = Segments(str(tmp_path / "7" / "1"), 0, segment_bytes=100, count=3)
    lines = [b"line %04d of this log\n" % number for number in range(100)]
    for line in lines:
        write_all(segments, line)
    segments.close()
    files = files_of(tmp_path / "7" / "1")
    assert len(files) == 3
    assert_offsets_add_up(files)
    assert all(data.startswith(b"line") and data.endswith(b"\n") for data in files.values())
    assert all(len(data) <= 100 for data in files.values())
    assert b"".join(lines).endswith(b"".join(files.values()))


def test_line_longer_than_a_file_is_broken(tmp_path: Path) -> None:
    segments = Segments(str(tmp_path), 0, segment_bytes=100, count=50)
    data = b"short\n" + b"x" * 950 + b"\nshort\n"
    write_all(segments, data)
    segments.close()
    files = files_of(tmp_path)
    assert b"".join(files.values()) == data
    assert all(len(part) <= 200 for part in files.values())
    assert_offsets_add_up(files)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@given(st.lists(st.integers(min_value=0, max_value=350), max_size=30))
def test_any_lengths(tmp_path: Path, lengths: list[int]) -> None:
    folder = tmp_path / str(len(list(tmp_path.iterdir())))
    segments = Segments(str(folder), 1, segment_bytes=100, count=10_000)
    data = b"".join(b"%d" % (length % 10) * length + b"\n" for length in lengths)
    write_all(segments, data)
    segments.close()
    files = files_of(folder, rank=1)
    assert b"".join(files.values()) == data
    assert_offsets_add_up(files)
    assert all(len(part) <= 200 for part in files.values())


def test_goes_on_where_an_earlier_agent_ended(tmp_path: Path) -> None:
    for text in (b"first\n", b"second\n"):
        segments = Segments(str(tmp_path), 0, segment_bytes=100, count=3)
        write_all(segments, text)
        segments.close()
    assert files_of(tmp_path) == {0: b"first\nsecond\n"}


def test_ranks_do_not_mix(tmp_path: Path) -> None:
    for rank in (1, 11):
        segments = Segments(str(tmp_path), rank, segment_bytes=100, count=2)
        write_all(segments, b"rank %d\n" % rank)
        segments.close()
    assert files_of(tmp_path, 1) == {0: b"rank 1\n"}


def test_a_removed_folder_comes_back_with_the_next_file(tmp_path: Path) -> None:
    folder = tmp_path / "logs"
    segments = Segments(str(folder), 0, segment_bytes=10, count=2)
    write_all(segments, b"12345678\n")
    (folder / segment_name(0, 0)).unlink()
    folder.rmdir()
    write_all(segments, b"abcdefgh\n")
    segments.close()
    assert files_of(folder) == {9: b"abcdefgh\n"}
