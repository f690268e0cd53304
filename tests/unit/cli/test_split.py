import pytest
from hypothesis import given
from hypothesis import strategies as st

from hai.cli.split import RunMode, Split, split_command
from hai.errors import InvalidInput


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        pytest.param("train.py", Split(RunMode.LOCAL, ("train.py",), ()), id="local"),
        pytest.param(
            "train.py -x 1 -- -n 2 -f",
            Split(RunMode.CLUSTER, ("train.py", "-x", "1"), ("-n", "2", "-f")),
            id="cluster",
        ),
        pytest.param(
            "train.py ++ -ss 3", Split(RunMode.SIMULATE, ("train.py",), ("-ss", "3")), id="simulate"
        ),
        pytest.param(
            "train.py -n --help -h",
            Split(RunMode.LOCAL, ("train.py", "-n", "--help", "-h"), ()),
            id="program's own options",
        ),
        pytest.param("train.py --", Split(RunMode.CLUSTER, ("train.py",), ()), id="no options"),
        pytest.param("", Split(RunMode.LOCAL, (), ()), id="nothing"),
        pytest.param("a --- +++ -", Split(RunMode.LOCAL, ("a", "---", "+++", "-"), ()), id="alike"),
    ],
)
def test_splits(line: str, expected: Split) -> None:
    assert split_command(line.split()) == expected


@pytest.mark.parametrize("line", ["a -- ++", "a ++ --", "a -- -n 1 --", "a ++ ++"])
def test_a_second_separator_is_an_error_that_shows_the_way_out(line: str) -> None:
    with pytest.raises(InvalidInput, match="separator") as caught:
        split_command(line.split())
    assert "hai-cli run" in caught.value.hint


words = st.text(max_size=8).filter(lambda word: word not in ("--", "++"))


@given(st.lists(words), st.sampled_from(["--", "++"]), st.lists(words))
def test_both_sides_come_out_untouched(before: list[str], mark: str, after: list[str]) -> None:
    split = split_command([*before, mark, *after])
    assert (split.program, split.options) == (tuple(before), tuple(after))
    assert split.mode is (RunMode.CLUSTER if mark == "--" else RunMode.SIMULATE)


@given(st.lists(words))
def test_without_a_separator_all_is_the_programs(args: list[str]) -> None:
    assert split_command(args) == Split(RunMode.LOCAL, tuple(args), ())
