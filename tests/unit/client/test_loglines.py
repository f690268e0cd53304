"""Pieces of log lines: joined they are what was written, drawn they are what a terminal shows."""

import base64
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hai.client.loglines import WholeLines, bytes_of, compact, redrawn, written_by

SOME = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


def piece(data: bytes, *, open: bool = False, rank: int = 0, attempt: int = 1) -> Mapping[str, Any]:
    found: dict[str, Any] = {"attempt": attempt, "rank": rank, "at": "t", "text": ""}
    found["text"] = data.decode("utf-8", "replace")
    if open:
        found["open"] = True
    if found["text"].encode() != data:
        found["raw"] = base64.b64encode(data).decode()
    return found


@SOME
@given(st.lists(st.tuples(st.binary(max_size=6), st.booleans(), st.integers(0, 2))))
def test_whole_lines_lose_nothing(sent: list[tuple[bytes, bool, int]]) -> None:
    whole = WholeLines()
    pieces = [piece(data.replace(b"\n", b""), open=is_open, rank=r) for data, is_open, r in sent]
    found = [line for one in pieces for line in whole.add(one)]
    assert not any(line.get("open") for line in found)
    found += whole.rest()
    for rank in range(3):
        assert b"".join(written_by(line) for line in found if line["rank"] == rank) == b"".join(
            written_by(one) for one in pieces if one["rank"] == rank
        )
    assert whole.rest() == []


def test_a_line_of_an_earlier_attempt_has_its_say_before_the_next() -> None:
    whole = WholeLines()
    assert whole.add(piece(b"50%", open=True)) == []
    lines = whole.add(piece(b"again", attempt=2))
    assert [bytes_of(line) for line in lines] == [b"50%", b"again"]


def test_a_line_without_any_end_is_given_out_in_parts() -> None:
    whole = WholeLines(longest_bytes=10)
    found = [line for _ in range(6) for line in whole.add(piece(b"abcd", open=True))]
    assert [bytes_of(line) for line in found] == [b"abcd" * 3, b"abcd" * 3]


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        pytest.param("\r 10%\r 11%", " 11%", id="tqdm"),
        pytest.param("10%\r11%\r", "11%", id="the return comes last"),
        pytest.param("loading ...\rdone", "doneing ...", id="shorter than before"),
        pytest.param("windows\r", "windows", id="crlf"),
        pytest.param("no bar", "no bar", id="none"),
        pytest.param("a\r\x1b[Kb", "\x1b[Kb", id="erased"),
    ],
)
def test_what_a_terminal_shows(written: str, shown: str) -> None:
    assert redrawn(written) == shown


@SOME
@given(st.lists(st.text(st.sampled_from("ab\r "), max_size=5)))
def test_what_was_drawn_over_can_be_forgotten(parts: list[str]) -> None:
    kept = ""
    for part in parts:
        kept = compact(kept + part)
    assert redrawn(kept) == redrawn("".join(parts))
    assert kept.count("\r") <= 1
