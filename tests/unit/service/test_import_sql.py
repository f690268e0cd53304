"""init.sql as users write it: what is read, and what is refused with its place."""

import json
import re
import string
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hai.core.allowance import Allowance, Membership
from hai.core.identity import Role, User
from hai.core.images import Image
from hai.core.mounts import HostPathType, MountKind
from hai.core.quota import EVERYONE, Quota
from hai.core.rowset import Host
from hai.core.storage import Storage
from hai.core.types import GroupName, Priority, UserName
from hai.errors import InvalidInput
from hai.service.import_sql.arrays import array_literal, parse_array
from hai.service.import_sql.reading import Document, read
from hai.service.import_sql.statements import Cell, inserts_of
from hai.service.import_sql.tables import OldToken
from hai.service.import_sql.text import Source, decoded

NOW = 1_800_000_000.0
_INTO = "INSERT INTO"


def parsed(text: str) -> Document:
    return read(Source("init.sql", text), NOW)


def refusal(text: str) -> str | None:
    try:
        parsed(text)
    except InvalidInput as error:
        return error.message
    return None


def items(text: str) -> list[Any]:
    return [row.item for row in parsed(text).rows]


def cells(values: str) -> list[Any]:
    """The values of one row of one table."""
    (insert,) = inserts_of(Source("x", f"{_INTO} t (a) VALUES ({values});"))
    return [_plain(row[0]) for row in insert.rows]


def _plain(cell: Cell) -> Any:
    return cell.value if cell.items is None else [_plain(one) for one in cell.items]


SEED = (Path(__file__).parent / "seed.sql").read_text("utf-8")


def test_the_seed_of_a_platform_is_read() -> None:
    document = parsed(SEED)
    found = [row.item for row in document.rows]
    assert found[0] == Storage(
        name=found[0].name,  # type: ignore[union-attr]
        source="/nfs/ws/{user.user_name}",
        mount_path="/nfs/ws/{user.user_name}",
        host_path_type=HostPathType.DIRECTORY,
    )
    assert found[1] == Storage(
        name=found[1].name,  # type: ignore[union-attr]
        source="conf",
        sub_path="nccl.conf",
        mount_path="/etc/nccl.conf",
        kind=MountKind.CONFIG_MAP,
        owners=("ops", "vision"),
        conditions=("'{task.group}' == 'gpu'",),
        read_only=True,
    )
    assert found[2:] == [
        Quota(EVERYONE, GroupName("training"), Priority.HIGH, 10),
        Allowance("public", "train_environment:hai_base", 1),
        Allowance("public", "node", 1),
        Allowance("public", "port", 1),
        Allowance("public", "cap:IPC_LOCK", 1),
        Allowance("public", "jupyter:jupyter_cpu", 100012810),
        User(UserName("haiadmin"), Role.USER, 10020, nick_name="O'Neill 爱", team="hfai"),
        OldToken("haiadmin", "abcdefghijklmnopqrst"),
        Membership("haiadmin", "root"),
        Image("hai_base", "r.example/hai:latest", {"A": "1", "N": "2"}, "/usr/bin/python3"),
        Host("node-1", 8, "training", "z1", "A"),
    ]
    assert [row.keeps for row in document.rows[:3]] == [True, True, False]
    assert len(document.notes) == 1
    assert "config maps are left out" in document.notes[0]


@pytest.mark.parametrize(
    ("values", "found"),
    [
        ("'it''s'", ["it's"]),
        ("''", [""]),
        ("'a\\b'", ["a\\b"]),
        ("E'a\\tb\\'c\\\\'", ["a\tb'c\\"]),
        ("e'\\101\\x42\\u0043\\U00000044'", ["ABCD"]),
        ("'a' \n 'b' -- c\n 'd'", ["abd"]),
        ("$$it's \\ $x$ $$", ["it's \\ $x$ "]),
        ("$tag$ $$ $tag$", [" $$ "]),
        ("$a$$b$$a$", ["$b$"]),
        ("'-- no comment /* '", ["-- no comment /* "]),
        ("1), (-2), (+3", [1, -2, 3]),
        ("1.5), (.5), (2e3), (-1.", [1.5, 0.5, 2000.0, -1.0]),
        ("NULL), (null), (TRUE), (False", [None, None, True, False]),
        ("NULL::text", [None]),
        ("'1'::int::bigint::varchar(255)[]", ["1"]),
        ("'x'::character varying(12)", ["x"]),
        ("'x'::public.\"Some Enum\"", ["x"]),
        ("'2030-01-01'::timestamp(3) with time zone", ["2030-01-01"]),
        ("'1.5'::numeric(10, 2)", ["1.5"]),
        ("CAST('a' AS character varying(3))", ["a"]),
        ("(('a'))", ["a"]),
        ("jsonb '{}'", ["{}"]),
        ("array['a', 'b']::text[]", [["a", "b"]]),
        ("ARRAY[]::text[]", [[]]),
        ("ARRAY[ARRAY[1]]", [[[1]]]),
    ],
)
def test_values_are_read_as_postgresql_reads_them(values: str, found: list[Any]) -> None:
    assert cells(values) == found


@pytest.mark.parametrize(
    ("text", "place", "complaint"),
    [
        ("SELECT 1;", "1:8", "expected a name"),
        ("SELECT pg_sleep(9);", "1:8", "SELECT is not read"),
        ("DROP TABLE x;", "1:1", "expected INSERT INTO, not 'drop'"),
        ("\n  COPY quota FROM stdin;", "2:3", "expected INSERT INTO"),
        ("\\connect x", "1:1", "psql's own commands"),
        ("INSERT INTO quota VALUES (1);", "1:19", "expected the columns"),
        ("INSERT INTO quota SELECT 1;", "1:19", "expected the columns"),
        ("INSERT INTO quota (user_name) SELECT 1;", "1:31", "expected VALUES"),
        ("INSERT INTO quota (user_name) VALUES (1, 2);", "1:38", "2 values for 1 columns"),
        ("INSERT INTO quota (user_name) VALUES ((SELECT 1));", "1:40", "plain values"),
        ("INSERT INTO quota (user_name) VALUES (lower('a'));", "1:39", "plain values"),
        ("INSERT INTO quota (user_name) VALUES ('a' || 'b');", "1:43", "'|' is not understood"),
        ("INSERT INTO quota (user_name) VALUES ('a);", "1:39", "does not end"),
        ("INSERT INTO quota (user_name) VALUES (E'a\\');", "1:39", "does not end"),
        ("INSERT INTO quota (user_name) VALUES ($$a);", "1:39", "does not end with $$"),
        ("INSERT INTO quota (user_name) VALUES ($a$a$A$);", "1:39", "does not end with $a$"),
        ("INSERT INTO quota (user_name) VALUES (${USER});", "1:39", "never filled in"),
        ("INSERT INTO quota (user_name) VALUES (X'41');", "1:39", "no kind of string"),
        ("INSERT INTO quota (user_name) VALUES (U&'\\0041');", "1:39", "no kind of string"),
        ("INSERT INTO quota (user_name) VALUES (12abc);", "1:39", "no number"),
        ("INSERT INTO quota (user_name) VALUES (E'\\000');", "1:40", "no character"),
        ("INSERT INTO quota (user_name) VALUES (E'\\ud800');", "1:40", "no character"),
        ("INSERT INTO quota (user_name) VALUES (1", "1:40", "not the end of the file"),
        ("INSERT INTO quota (user_name) VALUES (1) WHERE 1;", "1:42", "expected ';'"),
        ("/* /* */", "1:1", "comment does not end"),
        ('INSERT INTO "" (a) VALUES (1);', "1:13", "empty"),
        ("INSERT INTO mars.quota (a) VALUES (1);", "1:13", "no schema 'mars'"),
        ("INSERT INTO quotas (a) VALUES (1);", "1:13", "did you mean quota?"),
        ("INSERT INTO quota (user_nam) VALUES (1);", "1:20", "did you mean user_name?"),
        ("INSERT INTO quota (quota, quota) VALUES (1, 2);", "1:27", "named twice"),
        (
            "INSERT INTO quota (quota) VALUES (1) ON CONFLICT DO UPDATE SET quota = 7;",
            "1:72",
            "only quota = excluded.quota",
        ),
        ("INSERT INTO quota (quota) VALUES (" + "(" * 500 + "1", "1:56", "nested too deeply"),
    ],
)
def test_what_is_no_insert_is_refused_with_its_place(text: str, place: str, complaint: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        parsed(text)
    assert caught.value.message.startswith(f"init.sql:{place}: ")
    assert complaint in f"{caught.value.message} {caught.value.hint}"


@pytest.mark.parametrize(
    ("table", "values", "column", "complaint"),
    [
        ("quota", {"user_name": "'a'", "resource": "'node-g-HIGH'"}, 0, "quota is missing"),
        ("quota", {"user_name": "'a'", "resource": "'node-g-HIHG'", "quota": "1"}, 2, "node-<gro"),
        ("quota", {"user_name": "'a'", "resource": "'node-g-HIGH'", "quota": "-1"}, 3, "no number"),
        ("quota", {"user_name": "'a'", "resource": "'x'", "quota": "1.5"}, 3, "whole number"),
        ("quota", {"user_name": "'a'", "resource": "'sudo'", "quota": "1"}, 2, "no resource"),
        ("quota", {"user_name": "NULL", "resource": "'port'", "quota": "1"}, 1, "missing"),
        (
            "quota",
            {
                "user_name": "'a'",
                "resource": "'node-g-LOW'",
                "quota": "1",
                "expire_time": "'2999-01-01'",
            },
            4,
            "has no end here",
        ),
        (
            "quota",
            {"user_name": "'a'", "resource": "'port'", "quota": "1", "expire_time": "'soon'"},
            4,
            "a time is expected",
        ),
        ("storage", {"host_path": "'/a/../b'", "mount_path": "'/x'", "owners": "'{a}'"}, 1, ".."),
        ("storage", {"host_path": "'/a'", "mount_path": "'/x'"}, 1, "needs owners"),
        ("storage", {"host_path": "'/a'", "mount_path": "'/x'", "owners": "'a,b'"}, 3, "no array"),
        ("storage", {"host_path": "'/a'", "mount_path": "'/x'", "owners": "'{a,,b}'"}, 3, "empty"),
        ("storage", {"host_path": "'/a'", "mount_path": "'/x'", "owners": "'{{a}}'"}, 3, "owners"),
        ("storage", {"host_path": "'/a'", "mount_path": "'/x'", "owners": "'{NULL}'"}, 3, "texts"),
        (
            "storage",
            {"host_path": "'/a'", "mount_path": "'/x'", "owners": "'{a}'", "mount_type": "'Dir'"},
            4,
            "no type of a mount",
        ),
        (
            "storage",
            {
                "host_path": "'/a'",
                "mount_path": "'/x'",
                "owners": "'{a}'",
                "conditions": "ARRAY['open(''/etc/passwd'')']",
            },
            1,
            "condition",
        ),
        (
            "storage",
            {"host_path": "'/{user.token}'", "mount_path": "'/x'", "owners": "'{a}'"},
            1,
            "no placeholder",
        ),
        ("train_environment", {"env_name": "'a'", "image": "'x y'"}, 1, "no reference"),
        (
            "train_environment",
            {"env_name": "'a'", "image": "'x'", "config": "'{\"environments\": [1]}'"},
            3,
            "object",
        ),
        ("train_environment", {"env_name": "'a'", "image": "'x'", "config": "'{'"}, 3, "no JSON"),
        ("train_environment", {"env_name": "'a'", "image": "'x'", "config": "'[]'"}, 3, "JSON obj"),
        ("user", {"user_name": "'a'", "role": "'god'"}, 2, "no role"),
        ("user", {"user_name": "'a'", "user_id": "'x'"}, 2, "whole number"),
        ("user", {"user_name": "'a'", "active": "'maybe'"}, 2, "true or false"),
        ("user", {"user_id": "1"}, 0, "user_name is missing"),
        ("host", {"node": "'a'", "gpu_num": "-8"}, 2, "number of GPUs"),
        ("host", {"node": "now()"}, 1, "text is expected"),
    ],
)
def test_a_wrong_value_is_refused_with_its_place(
    table: str, values: dict[str, str], column: int, complaint: str
) -> None:
    lines = ",\n".join(values.values())
    text = f"{_INTO} {table} ({', '.join(values)}) VALUES (\n{lines});"
    with pytest.raises(InvalidInput) as caught:
        parsed(text)
    match = re.match(r"init\.sql:(\d+):(\d+): (.*)", caught.value.message)
    assert match is not None
    assert complaint in match[3]
    assert match[1] == str(column + 1 if column else 2)


def test_tables_of_the_past_are_left_out_with_a_note() -> None:
    document = parsed("INSERT INTO task_ng (id, x) VALUES (1, 2), (2, 3);")
    assert document.rows == ()
    assert document.notes == ("table task_ng has no part here: left out (2 rows)",)


def test_ended_quotas_are_left_out() -> None:
    text = (
        "INSERT INTO quota (user_name, resource, quota, expire_time) VALUES "
        "('a', 'node-g-LOW', 1, '2020-01-01 00:00:00'), ('a', 'port', 1, '3000-01-01'), "
        "('b', 'port', 2, '2100-01-01T00:00:00+00:00'), ('c', 'port', 3, NULL);"
    )
    assert items(text) == [
        Allowance("a", "port", 1),
        Allowance("b", "port", 2, 4102444800.0),
        Allowance("c", "port", 3),
    ]


def test_a_secret_is_in_no_representation() -> None:
    assert "Wolpertinger" not in repr(OldToken("a", "Wolpertinger"))


@pytest.mark.parametrize(
    "data", [b"\xff\xfe", b"-- a\nINSERT \xc3", b"select '\0'", "\ufeff--".encode() + b"\0"]
)
def test_bytes_that_are_no_text_are_refused(data: bytes) -> None:
    with pytest.raises(InvalidInput):
        decoded("x", data)


def test_a_byte_order_mark_and_windows_lines_are_no_matter() -> None:
    source = decoded(
        "x", "\ufeffINSERT INTO user_group\r\n(user_name, \"group\")\r\nVALUES ('a','b')".encode()
    )
    assert [row.item for row in read(source, NOW).rows] == [Membership("a", "b")]


texts = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=40)


@given(
    st.lists(st.one_of(texts, st.integers(-(10**17), 10**17), st.booleans(), st.none()), min_size=1)
)
def test_what_is_written_is_read(values: list[Any]) -> None:
    def literal(value: Any) -> str:
        if isinstance(value, str):
            return "'" + value.replace("'", "''") + "'"
        return "NULL" if value is None else str(value)

    assert cells("), (".join(map(literal, values))) == values


@given(texts)
def test_escaped_and_dollar_quoted_strings_are_read(text: str) -> None:
    escaped = text.replace("\\", "\\\\").replace("'", "\\'").replace("\n", "\\n")
    assert cells(f"E'{escaped}'") == [text]
    tag = "$q$"
    if tag not in f"{text}$":
        assert cells(f"{tag}{text}{tag}") == [text]


@given(st.lists(texts))
def test_array_literals_are_read(values: list[str]) -> None:
    assert parse_array(array_literal(values)) == values
    literal = array_literal(values).replace("'", "''")
    text = f"{_INTO} host (node, flags) VALUES ('n', '{literal}');"
    assert items(text) == [Host("n", flags=tuple(values))]


@given(st.dictionaries(st.from_regex(r"[A-Z_][A-Z0-9_]{0,8}", fullmatch=True), texts))
def test_variables_of_an_image_are_read(variables: dict[str, str]) -> None:
    config = json.dumps({"environments": variables}).replace("'", "''")
    text = f"{_INTO} train_environment (env_name, image, config) VALUES ('a', 'r/a', '{config}')"
    assert items(text) == [Image("a", "r/a", variables)]


_SCRAPS = st.sampled_from(
    [
        *SEED.split(),
        *"()[],;:'\"$E\\/*-=.{}|",
        "$$",
        "::",
        "/*",
        "*/",
        "--",
        "\n",
        "''",
        "INSERT INTO storage (host_path) VALUES ('",
        "ON CONFLICT DO UPDATE SET",
    ]
)


@given(st.lists(_SCRAPS | st.text(string.printable, max_size=5), max_size=40))
def test_anything_is_read_or_refused_with_its_place(scraps: list[str]) -> None:
    for text in (" ".join(scraps), "".join(scraps)):
        complaint = refusal(text)
        assert complaint is None or re.match(r"init\.sql:\d+:\d+: ", complaint)


@pytest.mark.parametrize(
    "text",
    [
        "'" * 200_001,
        "/*" * 100_000,
        "(" * 100_000,
        "$a" * 100_000,
        "-- x\n" * 100_000,
        '"' * 100_001,
        "INSERT INTO host (node) VALUES ('" + "'\n'" * 100_000,
        "ARRAY[" * 50_000,
        "'a'\n" * 100_000,
    ],
)
def test_large_nonsense_costs_no_more_than_its_size(text: str) -> None:
    prefix = "INSERT INTO host (node) VALUES ("
    for whole in (text, prefix + text):
        complaint = refusal(whole)
        assert complaint is None or len(complaint) < 500
