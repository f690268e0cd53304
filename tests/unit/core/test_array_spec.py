"""The notation of arrays."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hai.core.array_spec import ArrayRef, ArraySpec, member_name


@pytest.mark.parametrize(
    ("text", "indices", "limit"),
    [
        ("0-3", (0, 1, 2, 3), 0),
        ("0-3%2", (0, 1, 2, 3), 2),
        ("1,3,5-9", (1, 3, 5, 6, 7, 8, 9), 0),
        ("0-10:2", (0, 2, 4, 6, 8, 10), 0),
        ("0-10:3%1", (0, 3, 6, 9), 1),
        (" 7 ", (7,), 0),
        (7, (7,), 0),
        ("9,1", (9, 1), 0),
    ],
)
def test_what_an_array_names(text: object, indices: tuple[int, ...], limit: int) -> None:
    spec = ArraySpec.parse(text)
    assert (spec.indices, spec.limit, spec.size) == (indices, limit, len(indices))


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "'' names no indices"),
        ("a", "'a' names no indices"),
        ("1,,2", "'' names no indices"),
        ("-1", "'-1' names no indices"),
        ("5-3", "the range 5-3 is empty"),
        ("1-9:0", "a step of 0"),
        ("1-3%0", "'0' is no number of tasks at once"),
        ("1-3%", "'' is no number of tasks at once"),
        ("1-3,2", "2 names an index a second time"),
        ("0-9999999,0-1", "more than 1,000,000 members"),
        ("0-99999999", "no index is larger"),
        ("\u0663", "names no indices"),
        (True, "True names no indices"),
        ([1, 2], "names no indices"),
    ],
)
def test_what_is_no_array(text: object, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        ArraySpec.parse(text)


@given(st.lists(st.integers(0, 10_000), min_size=1, max_size=50, unique=True), st.integers(0, 99))
def test_any_list_of_indices_is_kept(indices: list[int], limit: int) -> None:
    text = ",".join(map(str, indices)) + (f"%{limit}" if limit else "")
    assert ArraySpec.parse(text) == ArraySpec(tuple(indices), limit)


@given(st.text(alphabet="0123456789-,:% ", max_size=12))
def test_any_text_is_an_array_or_refused_in_words(text: str) -> None:
    complaint, spec = "", None
    try:
        spec = ArraySpec.parse(text)
    except ValueError as error:
        complaint = str(error)
    if spec is None:
        assert complaint.startswith("options.array")
    else:
        assert len(set(spec.indices)) == spec.size >= 1


def test_references_to_a_whole_array() -> None:
    assert ArrayRef.parse("12_[*]") == ArrayRef(12)
    assert ArrayRef.parse("12_[3]") == ArrayRef(12, (3,))
    assert ArrayRef.parse("12_[0-2,9]") == ArrayRef(12, (0, 1, 2, 9))
    assert ArrayRef.parse("12_[0-4:2]") == ArrayRef(12, (0, 2, 4))
    others = ("12", "x_[*]", "12_[*]x", "12_[]", "12_[a]", "12_[%1]", "@last", "", "_[1]", "12_1")
    assert [ArrayRef.parse(text) for text in others] == [None] * len(others)


@pytest.mark.parametrize("ref", ["12_[3-1]", "12_[1,1]", "12_[,]", "12_[-]", "12_[0-9:0]"])
def test_members_that_cannot_be(ref: str) -> None:
    with pytest.raises(ValueError, match=re.escape(ref)):
        ArrayRef.parse(ref)


def test_a_reference_names_no_more_members_than_can_be_asked_for() -> None:
    assert ArrayRef.parse("1_[0-99999]") is not None
    with pytest.raises(ValueError, match="100,000"):
        ArrayRef.parse("1_[0-100000]")
    assert member_name("train.py", 3) == "train.py_[3]"
