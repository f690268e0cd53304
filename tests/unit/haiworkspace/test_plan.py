"""What a transfer has to do."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haiworkspace.plan import FileChange, FileEntry, changed_modes, compare, parents

A = FileEntry(0o644, 1, 10, "a")
B = FileEntry(0o644, 1, 11, "b")
C = FileEntry(0o644, 1, 12, "c")


@pytest.mark.parametrize(
    ("source", "target", "base", "expected"),
    [
        pytest.param(A, None, None, FileChange.ADDED, id="new in the source"),
        pytest.param(B, A, A, FileChange.CHANGED, id="changed in the source"),
        pytest.param(None, A, A, FileChange.REMOVED, id="gone from the source"),
        pytest.param(None, A, None, FileChange.TARGET_ONLY, id="new in the target"),
        pytest.param(A, B, A, FileChange.TARGET_CHANGED, id="changed in the target"),
        pytest.param(A, None, A, FileChange.TARGET_CHANGED, id="gone from the target"),
        pytest.param(B, C, A, FileChange.CONFLICT, id="changed in both"),
        pytest.param(A, B, None, FileChange.CONFLICT, id="made in both"),
        pytest.param(B, None, A, FileChange.CONFLICT, id="changed here, gone there"),
        pytest.param(None, B, A, FileChange.CONFLICT, id="gone here, changed there"),
        pytest.param(A, A, B, None, id="both alike"),
        pytest.param(A, A, None, None, id="alike from the start"),
    ],
)
def test_one_path(
    source: FileEntry | None,
    target: FileEntry | None,
    base: FileEntry | None,
    expected: FileChange | None,
) -> None:
    def listing(entry: FileEntry | None) -> dict[str, FileEntry]:
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
        (FileEntry(0, 0, 10, link="b"), False),
    ],
)
def test_sameness(other: FileEntry, expected: bool) -> None:
    assert A.is_same(other) is expected
    assert other.is_same(A) is expected


def test_links_are_the_same_if_they_point_to_the_same() -> None:
    assert FileEntry(0, 0, 1, link="b").is_same(FileEntry(0, 0, 2, link="b"))
    assert not FileEntry(0, 0, 1, link="b").is_same(FileEntry(0, 0, 1, link="c"))


@pytest.mark.parametrize(
    ("source", "target"), [("a", "a/b"), ("a/b", "a"), ("a/b/c", "a"), ("a", "a/b/c")]
)
def test_a_file_where_there_is_a_directory_is_a_conflict(source: str, target: str) -> None:
    assert compare({source: A}, {target: A}, {}).changes[source] is FileChange.CONFLICT


def test_parents() -> None:
    assert parents("a/b/c") == ["a", "a/b"]
    assert parents("a") == []


_entries = st.sampled_from([A, B, C])
_listings = st.dictionaries(st.sampled_from(["p", "q/r", "s"]), _entries)


@given(_listings, _listings, _listings)
def test_sending_what_is_planned_makes_the_target_hold_the_source(
    source: dict[str, FileEntry], target: dict[str, FileEntry], base: dict[str, FileEntry]
) -> None:
    plan = compare(source, target, base)
    forced = [FileChange.ADDED, FileChange.CHANGED, FileChange.CONFLICT, FileChange.TARGET_CHANGED]
    after = dict(target)
    for path in plan.paths(*forced):
        if path in source:
            after[path] = source[path]
    assert {path: after[path] for path in source} == source
    for path in target.keys() - source.keys():
        assert after[path] == target[path]


@given(_listings, _listings)
def test_without_force_only_what_the_target_never_changed_is_written(
    source: dict[str, FileEntry], base: dict[str, FileEntry]
) -> None:
    """A target that is as it was when both agreed can always be pushed to."""
    plan = compare(source, base, base)
    assert not plan.paths(FileChange.CONFLICT, FileChange.TARGET_CHANGED)
    assert set(plan.paths(FileChange.REMOVED)) == base.keys() - source.keys()


@pytest.mark.parametrize(
    ("source", "target", "base", "expected", "is_in_the_way"),
    [
        pytest.param(
            {"a/b": B}, {"a": A}, {"a": A}, FileChange.ADDED, True, id="file to directory"
        ),
        pytest.param({"a": B}, {"a/b": A}, {"a/b": A}, FileChange.ADDED, True, id="and back"),
        pytest.param({"a/b": B}, {"a": C}, {"a": A}, FileChange.CONFLICT, False, id="file changed"),
        pytest.param(
            {"a": B}, {"a/b": A, "a/new": C}, {"a/b": A}, FileChange.CONFLICT, False, id="file came"
        ),
        pytest.param({"a/b": B}, {"a": A}, {}, FileChange.CONFLICT, False, id="never agreed"),
        pytest.param(
            {"a": A},
            {"a/b": B},
            {"a": A},
            FileChange.TARGET_CHANGED,
            False,
            id="the target's change",
        ),
    ],
)
def test_a_file_that_became_a_directory(
    source: dict[str, FileEntry],
    target: dict[str, FileEntry],
    base: dict[str, FileEntry],
    expected: FileChange,
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
