import pytest
from hypothesis import given
from hypothesis import strategies as st

from hai.cli import grammar
from hai.core.duration import short_age
from hai.core.types import Priority
from hai.errors import InvalidInput


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("0", 0), ("90", 90), ("1.5s", 1.5), ("10m", 600), ("1h30m", 5400), ("2d", 172800)],
)
def test_durations(text: str, seconds: float) -> None:
    assert grammar.parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "m", "10x", "-5", "1h 30m", "1h30", "ten", "1..5s"])
def test_no_durations(text: str) -> None:
    with pytest.raises(InvalidInput, match="no duration"):
        grammar.parse_duration(text)


@given(st.integers(0, 10**6))
def test_a_printed_duration_reads_back_within_its_unit(seconds: int) -> None:
    assert abs(grammar.parse_duration(short_age(seconds)) - seconds) < 86400


def test_since_counts_back_from_now_or_takes_a_time() -> None:
    assert grammar.parse_since("10m", 1000.0) == "1970-01-01T00:06:40.000Z"
    assert grammar.parse_since("2030-01-31T12:00:00+02:00", 0) == "2030-01-31T10:00:00.000Z"
    with pytest.raises(InvalidInput):
        grammar.parse_since("yesterday", 0)


@pytest.mark.parametrize("text", ["0", "0,2-3", "all", "5-5", " 1, 2", "ALL"])
def test_ranks(text: str) -> None:
    assert grammar.parse_ranks(text) == text.replace(" ", "").lower()


@pytest.mark.parametrize("text", ["", "a", "1-", "-1", "3-1", "1,,2", "1;2", "0x1", "9999999"])
def test_no_ranks(text: str) -> None:
    with pytest.raises(InvalidInput):
        grammar.parse_ranks(text)


@pytest.mark.parametrize(
    ("ranks", "several"),
    [("0", False), ("all", True), ("0,1", True), ("2-3", True), ("5-5", False)],
)
def test_several_ranks(ranks: str, several: bool) -> None:
    assert grammar.several_ranks(ranks) is several


@given(st.sampled_from(list(Priority)))
def test_priorities_by_name_in_any_case_and_by_number(level: Priority) -> None:
    assert grammar.parse_priority(level.name.lower()) == level
    assert grammar.parse_priority(str(level.value)) == level
    assert grammar.parse_priority(level.name.replace("_", "-")) == level


@pytest.mark.parametrize("text", ["", "31", "-2", "URGENT", "--", "1.5", "²"])
def test_no_priorities(text: str) -> None:
    with pytest.raises(InvalidInput, match="no priority"):
        grammar.parse_priority(text)


def test_a_pair_is_cut_at_the_first_equals_sign() -> None:
    assert grammar.parse_pair("a=b=c", "pair", "a=b") == ("a", "b=c")
    for text in ("a", "=b", ""):
        with pytest.raises(InvalidInput):
            grammar.parse_pair(text, "pair", "a=b")


def test_paths_nest() -> None:
    tree: dict[str, object] = {}
    grammar.set_path(tree, "a.b.c", 1)
    grammar.set_path(tree, "a.d", 2)
    assert tree == {"a": {"b": {"c": 1}, "d": 2}}
    for path in ("a.d.e", "a..b", "", "."):
        with pytest.raises(InvalidInput):
            grammar.set_path(tree, path, 3)
