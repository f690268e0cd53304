"""Logs are bounded, and searched a part at a time."""

import re
from typing import Any

from hai.tui.logbuffer import STEP_CHARS, LogBuffer, Search


def line(text: str, rank: int = 0, attempt: int = 1) -> dict[str, Any]:
    return {"attempt": attempt, "rank": rank, "at": "2030-01-01T00:00:00Z", "text": text}


def texts(buffer: LogBuffer) -> list[str]:
    return [entry.text for entry in buffer.lines]


def test_old_lines_go_and_numbers_stay() -> None:
    buffer = LogBuffer(lines_kept=3)
    buffer.add(line(str(n)) for n in range(5))
    assert texts(buffer) == ["2", "3", "4"]
    assert (buffer.first, buffer.end, buffer.line(4).text) == (2, 5, "4")


def test_size_is_bounded_too() -> None:
    buffer = LogBuffer(chars_kept=100)
    buffer.add(line("x" * 60) for _ in range(3))
    assert len(buffer.lines) == 1
    assert buffer.chars == 60
    buffer.add([line("y" * 1000)])
    assert texts(buffer) == ["y" * 1000]


def test_attempts_are_kept_apart() -> None:
    buffer = LogBuffer()
    buffer.add([line("a"), line("b", attempt=2), line("c", attempt=2)])
    assert texts(buffer) == ["a", "attempt 2", "b", "c"]
    assert buffer.lines[1].rank is None


def test_a_search_goes_on_where_it_stopped() -> None:
    buffer = LogBuffer()
    buffer.add(line("loss" if n % 10 == 0 else "no") for n in range(100))
    search = Search(re.compile("loss"))
    assert search.step(buffer) is False
    assert search.hits == list(range(0, 100, 10))
    buffer.add([line("loss")])
    search.step(buffer)
    assert search.hits[-1] == 100
    assert (search.after(95), search.after(100), search.before(0), search.place(20)) == (
        100, 0, 100, 3,
    )  # fmt: skip
    assert search.place(21) == 0


def test_a_long_search_is_cut_into_steps() -> None:
    buffer = LogBuffer()
    buffer.add(line("x" * 60_000) for _ in range(STEP_CHARS // 60_000 + 5))
    search = Search(re.compile("nothing"))
    assert search.step(buffer) is True
    assert search.step(buffer) is False
    assert (search.after(0), search.before(0)) == (None, None)


def test_hits_of_lines_that_are_gone_are_forgotten() -> None:
    buffer = LogBuffer(lines_kept=5)
    buffer.add([line("loss")] * 5)
    search = Search(re.compile("loss"))
    search.step(buffer)
    buffer.add([line("other")] * 3)
    search.step(buffer)
    assert search.hits == [3, 4]


def test_an_open_line_goes_on_in_its_place() -> None:
    buffer = LogBuffer()

    def piece(text: str, rank: int = 0, **more: Any) -> dict[str, Any]:
        return {"attempt": 1, "rank": rank, "at": "t", "text": text, **more}

    assert buffer.add([piece("begin"), piece("\r 1%", open=True)]) == set()
    assert buffer.add([piece("other", rank=1), piece("\r 2%", open=True)]) == {1}
    assert buffer.add([piece("\r 3%", open=True), piece("\r 4%")]) == {1}
    assert [line.text for line in buffer.lines] == ["begin", " 4%", "other"]
    buffer.add([piece("end")])
    assert [line.text for line in buffer.lines] == ["begin", " 4%", "other", "end"]
    assert buffer.chars == sum(len(line.text) for line in buffer.lines)


def test_a_bar_that_goes_on_for_days_stays_small_and_is_searched_again() -> None:
    buffer = LogBuffer()
    search = Search(re.compile("loss=7"))
    for number in range(10_000):
        text = f"\rloss={number % 10}"
        grown = buffer.add([{"attempt": 1, "rank": 0, "at": "t", "text": text, "open": True}])
        search.again(grown)
        search.step(buffer)
        assert search.hits == ([0] if number % 10 == 7 else [])
    assert (buffer.end, buffer.chars) == (1, len("loss=9"))
