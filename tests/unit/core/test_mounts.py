"""Rows of storage resolved for one worker: placeholders, owners, conditions; nothing leads out."""

from contextlib import suppress
from dataclasses import replace
from pathlib import PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hai.core.conditions import parse_condition
from hai.core.mounts import HostPathType, Mount, MountKind, mount_type, parse_mount_type
from hai.core.placeholders import NAMES, filled
from hai.core.storage import Storage, check_storage, mounts_for

FACTS = {
    **dict.fromkeys(NAMES, "x"),
    "user.user_name": "alice",
    "user.user_id": "1001",
    "user.role": "internal",
    "user.shared_group": "vision",
    "task.id": "7",
    "task.nb_name": "it's {user.user_name} == '1'",
    "task.group": "gpu",
    "task.task_type": "training",
    "task.nodes": "4",
    "task.mount_code": "6",
    "task.rank": "0",
}
GROUPS = {"alice", "public", "internal", "vision", "ops"}


def row(name: str = "a", source: str = "/a", mount_path: str = "/m", **more: object) -> Storage:
    return replace(Storage(name, source, mount_path), **more)  # type: ignore[arg-type]


def found(*rows: Storage) -> list[tuple[str, str]]:
    return [(mount.source, mount.mount_path) for mount in mounts_for(rows, FACTS, GROUPS)]


def test_a_row_is_resolved() -> None:
    one = row(
        "home",
        "/nfs//{user.user_name}/t{task.id}/",
        "/home/{user.user_name}//w",
        host_path_type=HostPathType.DIRECTORY,
        read_only=True,
    )
    assert mounts_for([one], FACTS, GROUPS) == (
        Mount(
            "home",
            MountKind.HOST_PATH,
            "/nfs/alice/t7",
            "/home/alice/w",
            True,
            HostPathType.DIRECTORY,
        ),
    )


def test_owners_are_names_and_groups() -> None:
    rows = [row(owner, f"/{owner}", f"/m/{owner}", owners=(owner,)) for owner in sorted(GROUPS)]
    others = [row("o", "/o", "/m/o", owners=("bob", "external", "alic", "Alice", "*"))]
    assert [source for source, _ in found(*rows, *others)] == [f"/{o}" for o in sorted(GROUPS)]


def test_the_nearest_owner_wins_a_place_then_the_first_name() -> None:
    public, group, own = (row(n, f"/{n}", owners=(n,)) for n in ("public", "vision", "alice"))
    assert found(public, group, own) == [("/alice", "/m")]
    assert found(group, public) == [("/vision", "/m")]
    assert found(row("z", "/z"), row("b", "/b")) == [("/b", "/m")]
    assert found(row("b", "/b"), row("z", "/z", "/m/")) == [("/b", "/m")]


def test_a_row_that_removes_takes_away_what_others_give() -> None:
    gone = row("gone", "/a", owners=("vision",), removes=True)
    assert found(row(), gone) == []
    assert found(gone, row()) == []
    assert found(row(), replace(gone, owners=("bob",))) == [("/a", "/m")]
    assert found(row(), replace(gone, source="/b")) == [("/a", "/m")]


def test_rows_that_are_not_active_do_not_count() -> None:
    assert found(row(active=False)) == []


def test_outer_mounts_come_before_inner_ones() -> None:
    places = ["/b/c/d", "/a", "/b", "/b/c"]
    rows = [row(f"n{at}", mount_path=place) for at, place in enumerate(places)]
    assert [place for _, place in found(*rows)] == ["/a", "/b", "/b/c", "/b/c/d"]


@pytest.mark.parametrize(
    ("condition", "holds"),
    [
        ("'{task.group}' == 'gpu'", True),
        ("f'{task.group}' == \"gpu\"", True),
        ("{task.group} == 'cpu'", False),
        ("'{task.group}' != 'cpu'", True),
        ("{task.nodes} > 3", True),
        ("{task.nodes} > 4", False),
        ("{task.nodes} >= 4", True),
        ("10 > {task.nodes}", True),  # as numbers
        ("{task.nodes} <= -1", False),
        ("{task.mount_code} & 2", True),
        ("{task.mount_code} & 1", False),
        ("'{task.group}' in ['gpu', 'cpu']", True),
        ("'{task.group}' in ('cpu',)", False),
        ("'{task.group}' not in ['cpu']", True),
        ("'{task.group}'   not   in ['gpu']", False),
        ("not {task.group} == 'gpu'", False),
        ("not '{task.group}' not in ['gpu']", True),
        ("'{user.shared_group}-{task.rank}' == 'vision-0'", True),
        ("'{task.nb_name}' == 'alice'", False),
        ("{user.user_id} == 1001", True),
        ("1001 == '{user.user_id}'", True),
    ],
)
def test_conditions_are_compared_as_data(condition: str, holds: bool) -> None:
    assert parse_condition(condition).holds(FACTS) is holds
    assert bool(found(row(conditions=(condition,)))) is holds


def test_all_conditions_have_to_hold() -> None:
    both = ("{task.nodes} > 3", "'{task.group}' == 'gpu'")
    assert found(row(conditions=both))
    assert not found(row(conditions=(*both, "{task.nodes} > 4")))


@pytest.mark.parametrize(
    "condition",
    [
        "",
        "True",
        "1",
        "{task.id}",
        "{task.id} == ",
        "== 1",
        "{task.id} = 1",
        "{task.id} == 1 and 1 == 1",
        "{task.id} == 1 or 1",
        "{task.id} == (1)",
        "{task.id} in []",
        "{task.id} in [1",
        "{task.id} in 'abc'",
        "{user.token} == 'x'",
        "{user.__class__.__mro__} == 1",
        "__import__('os').system('id')",
        "'{task.id}'.startswith('1')",
        "open('/etc/passwd') == 1",
        "'a' == 'b' # comment",
        "'a\\'b' == 'c'",
        "'{task.id' == 'x'",
        "lambda: 1",
        "[x for x in 'a'] == 1",
        "(" * 300,
        "'" + "a" * 2000 + "' == 'b'",
    ],
)
def test_what_is_no_comparison_is_refused(condition: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - the words differ
        parse_condition(condition)
    with pytest.raises(ValueError):  # noqa: PT011 - the words differ
        check_storage(row(conditions=(condition,)))


def test_a_text_where_a_number_is_wanted_names_the_row() -> None:
    with pytest.raises(ValueError, match=r"mount a: 'gpu' is no number"):
        found(row(conditions=("{task.group} > 3",)))


@pytest.mark.parametrize(
    "value", ["", ".", "..", "a/b", "/", "../../etc", "a\0b", "a\nb", "a:b", "a\\b", "x" * 256]
)
def test_a_value_that_could_lead_elsewhere_is_refused(value: str) -> None:
    facts = {**FACTS, "task.nb_name": value}
    with pytest.raises(ValueError, match=r"^mount a: \{task\.nb_name\} is "):
        mounts_for([row(source="/a/{task.nb_name}")], facts, GROUPS)


def test_what_a_value_contains_is_not_filled_in_again() -> None:
    facts = {**FACTS, "task.nb_name": "{user.user_name}"}
    assert filled("/a/{task.nb_name}", facts) == "/a/{user.user_name}"


@pytest.mark.parametrize("value", ["proc", "sys", "hai", "dev"])
def test_a_placeholder_cannot_reach_the_platforms_places(value: str) -> None:
    facts = {**FACTS, "task.nb_name": value}
    with pytest.raises(ValueError, match="belongs to the platform"):
        mounts_for([row(mount_path="/{task.nb_name}")], facts, GROUPS)


@given(st.dictionaries(st.sampled_from(NAMES), st.text(max_size=12)), st.data())
def test_no_value_leads_out_of_its_folder(values: dict[str, str], data: st.DataObject) -> None:
    names = data.draw(st.lists(st.sampled_from(NAMES), min_size=1, max_size=4))
    path = "/root/" + "/".join(f"{{{name}}}" for name in names)
    facts = {**FACTS, **values}
    one = row(source=path, mount_path=f"/m{path}")
    try:
        (mount,) = mounts_for([one], facts, {"public"})
    except ValueError:
        return
    for place, depth in ((mount.source, 2), (mount.mount_path, 3)):
        parts = PurePosixPath(place).parts
        assert len(parts) == depth + len(names)
        assert ".." not in parts
        assert "\0" not in place
    assert mount.source.startswith("/root/")


@given(st.text(max_size=60))
def test_any_text_is_a_condition_or_refused(text: str) -> None:
    try:
        condition = parse_condition(text)
    except ValueError:
        return
    with suppress(ValueError):  # a text where a number is wanted
        assert condition.holds(FACTS) in (True, False)


@given(
    st.text(st.characters(exclude_characters="'\\{}", exclude_categories=["Cs"]), max_size=20),
    st.text(st.characters(exclude_characters="'\\{}", exclude_categories=["Cs"]), max_size=20),
)
def test_texts_are_equal_if_they_are(left: str, right: str) -> None:
    assert parse_condition(f"'{left}' == '{right}'").holds(FACTS) is (left == right)
    assert parse_condition(f"'{left}' in ['{right}', '{left}']").holds(FACTS)


@pytest.mark.parametrize("word", ["", "hostPath", "Directory", "FileOrCreate", "Socket", "pvc"])
def test_types_of_mounts_have_one_word_each(word: str) -> None:
    assert mount_type(*parse_mount_type(word)) == (word or "hostPath")


@pytest.mark.parametrize("word", ["directory", "nfs", "Dir", "..", "HOSTPATH"])
def test_other_words_are_no_type(word: str) -> None:
    with pytest.raises(ValueError, match="is no type of a mount"):
        parse_mount_type(word)


def test_a_row_of_the_user_s_own_is_told_from_one_of_everybody_s() -> None:
    rows = [
        row("own", mount_path="/own", owners=("alice",)),
        row("team", mount_path="/team", owners=("vision",)),
        row("all", mount_path="/all"),
    ]
    mounts = mounts_for(rows, FACTS, GROUPS)
    assert {mount.name: mount.personal for mount in mounts} == {
        "own": True,
        "team": False,
        "all": False,
    }
