"""What a transfer has to do."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haiworkspace.plan import Change, Entry, changed_modes, compare, parents

A = Entry(0o644, 1, 10, "a")
B = Entry(0o644, 1, 11, "b")
C = Entry(0o644, 1, 12, "c")


@pytest.mark.parametrize(
    ("source", "target", "base", "expected"),
    [
        pytest.param(A, None, None, Change.ADDED, id="new in the source"),
        pytest.param(B, A, A, Change.CHANGED, id="changed in the source"),
        pytest.param(None, A, A, Change.REMOVED, id="gone from the source"),
        pytest.param(None, A, None, Change.TARGET_ONLY, id="new in the target"),
        pytest.param(A, B, A, Change.TARGET_CHANGED, id="changed in the target"),
        pytest.param(A, None, A, Change.TARGET_CHANGED, id="gone from the target"),
        pytest.param(B, C, A, Change.CONFLICT, id="changed in both"),
        pytest.param(A, B, None, Change.CONFLICT, id="made in both"),
        pytest.param(B, None, A, Change.CONFLICT, id="changed here, gone there"),
        pytest.param(None, B, A, Change.CONFLICT, id="gone here, changed there"),
        pytest.param(A, A, B, None, id="both alike"),
        pytest.param(A, A, None, None, id="alike from the start"),
    ],
)
def test_one_path(
    source: Entry | None, target: Entry | None, base: Entry | None, expected: Change | None
) -> None:
    def listing(entry: Entry | None) -> dict[str, Entry]:
        return {} if entry is None else {"x/y": entry}

    plan = compare(listing(source), listing(target), listing(base))
    assert plan.changes.get("x/y") == expected
    assert plan.is_same == (expected is None)


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        (A._replace(mtime_ns=99), True),
        (A._replace(mode=0o755), False),
        (A._replace(digest=None), True),
        (A._replace(digest=None, mtime_ns=99), False),
        (A._replace(digest=None, size=2), False),
        (Entry(0, 0, 10, link="b"), False),
    ],
)
def test_sameness(other: Entry, expected: bool) -> None:
    assert A.is_same(other) is expected
    assert other.is_same(A) is expected


def test_links_are_the_same_if_they_point_to_the_same() -> None:
    assert Entry(0, 0, 1, link="b").is_same(Entry(0, 0, 2, link="b"))
    assert not Entry(0, 0, 1, link="b").is_same(Entry(0, 0, 1, link="c"))


@pytest.mark.parametrize(
    ("source", "target"), [("a", "a/b"), ("a/b", "a"), ("a/b/c", "a"), ("a", "a/b/c")]
)
def test_a_file_where_there_is_a_directory_is_a_conflict(source: str, target: str) -> None:
    assert compare({source: A}, {target: A}, {}).changes[source] is Change.CONFLICT


def test_parents() -> None:
    assert parents("a/b/c") == ["a", "a/b"]
    assert parents("a") == []


_entries = st.sampled_from([A, B, C])
_listings = st.dictionaries(st.sampled_from(["p", "q/r", "s"]), _entries)


@given(_listings, _listings, _listings)
def test_sending_what_is_planned_makes_the_target_hold_the_source(
    source: dict[str, Entry], target: dict[str, Entry], base: dict[str, Entry]
) -> None:
    plan = compare(source, target, base)
    forced = [Change.ADDED, Change.CHANGED, Change.CONFLICT, Change.TARGET_CHANGED]
    after = dict(target)
    for path in plan.paths(*forced):
        if path in source:
            after[path] = source[path]
    assert {path: after[path] for path in source} == source
    for path in target.keys() - source.keys():
        assert after[path] == target[path]


@given(_listings, _listings)
def test_without_force_only_what_the_target_never_changed_is_written(
    source: dict[str, Entry], base: dict[str, Entry]
) -> None:
    """A target that is as it was when both agreed can always be pushed to."""
    plan = compare(source, base, base)
    assert not plan.paths(Change.CONFLICT, Change.TARGET_CHANGED)
    assert set(plan.paths(Change.REMOVED)) == base.keys() - source.keys()


@pytest.mark.parametrize(
    ("source", "target", "base", "expected", "is_in_the_way"),
    [
        pytest.param({"a/b": B}, {"a": A}, {"a": A}, Change.ADDED, True, id="file to directory"),
        pytest.param({"a": B}, {"a/b": A}, {"a/b": A}, Change.ADDED, True, id="and back"),
        pytest.param({"a/b": B}, {"a": C}, {"a": A}, Change.CONFLICT, False, id="file changed"),
        pytest.param(
            {"a": B}, {"a/b": A, "a/new": C}, {"a/b": A}, Change.CONFLICT, False, id="file came"
        ),
        pytest.param({"a/b": B}, {"a": A}, {}, Change.CONFLICT, False, id="never agreed"),
        pytest.param(
            {"a": A}, {"a/b": B}, {"a": A}, Change.TARGET_CHANGED, False, id="the target's change"
        ),
    ],
)
def test_a_file_that_became_a_directory(
    source: dict[str, Entry],
    target: dict[str, Entry],
    base: dict[str, Entry],
    expected: Change,
    is_in_the_way: bool,
) -> None:
    plan = compare(source, target, base)
    (path,) = source
    assert plan.changes[path] is expected
    assert plan.in_the_way == ({path: list(target)} if is_in_the_way else {})


def test_modes_of_directories() -> None:
    source = {"closed": 0o700, "open": 0o755, "theirs": 0o755, "old": 0o700, "older": 0o755}
    target = {"closed": 0o755, "open": 0o700, "theirs": 0o700, "old": 0o755, "older": 0o700}
    base = {"closed": 0o755, "open": 0o700, "theirs": 0o755}
    # what nothing is known of is closed further, and never opened
    assert changed_modes(source, target, base) == {"closed": 0o700, "open": 0o755, "old": 0o700}
