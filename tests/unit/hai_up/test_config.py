"""Options of hai-up: where they come from and what is refused."""

from pathlib import Path

import pytest

from hai.errors import InvalidInput
from hai_up.config import (
    GivenOptions,
    Options,
    defaults,
    given_in_file,
    masked,
    merged,
    parse_config,
    refuse_password_in_argv,
    remembered,
    resolve,
    user_name_of,
    warnings_of,
)
from hai_up.state import State

STATE = State(
    version="0.1.0",
    host="127.0.0.1",
    port=7500,
    nodes=8,
    gpus_per_node=2,
    hollow_nodes=5,
    group="training",
    user="ada",
)


def resolved(**given: object) -> Options:
    return resolve(GivenOptions(**given), defaults(Path("/data"), "ada"))  # type: ignore[arg-type]


def test_defaults_make_a_whole_set_of_options() -> None:
    assert resolved() == Options(
        Path("/data"), "127.0.0.1", 7420, 4, 8, 0, user="ada", group="training"
    )


def test_flag_wins_over_file_over_last_run_over_default() -> None:
    file = given_in_file({"NODES": "3", "NODE_GPUS": "1"})
    options = resolve(
        merged(GivenOptions(nodes=2), file), remembered(STATE), defaults(Path("/data"), "bob")
    )
    assert (options.nodes, options.gpus_per_node, options.hollow_nodes) == (2, 1, 5)
    assert (options.port, options.user) == (7500, "ada")


@pytest.mark.parametrize(
    ("given", "word"),
    [
        pytest.param({"nodes": 0}, "--nodes", id="no nodes"),
        pytest.param({"nodes": 10**6}, "--nodes", id="a million nodes"),
        pytest.param({"port": 65536}, "--port", id="port"),
        pytest.param({"port": -1}, "--port", id="negative port"),
        pytest.param({"gpus_per_node": -1}, "--gpus-per-node", id="gpus"),
        pytest.param({"hollow_nodes": 10**6}, "--hollow-nodes", id="hollow"),
        pytest.param({"user": "a b"}, "--user", id="blank in a name"),
        pytest.param({"user": ""}, "--user", id="empty name"),
        pytest.param({"user": "x" * 4096}, "--user", id="long name"),
        pytest.param({"group": "a-b"}, "group", id="group with a dash"),
        pytest.param({"group": "hollow"}, "group", id="the hollow group"),
        pytest.param({"database_url": "mysql://h/x"}, "PostgreSQL", id="another database"),
    ],
)
def test_wrong_options_are_named(given: dict[str, object], word: str) -> None:
    with pytest.raises(InvalidInput, match=word) as caught:
        resolved(**given)
    assert caught.value.hint


def test_config_file_is_read_like_a_shell_would() -> None:
    text = """
# a comment
export SHARED_FS_ROOT=/nfs
  NODE_GPUS='8'   # eight
ROOT_USER="ada"
DB_PATH=${SHARED_FS_ROOT}/hai-platform/db
EMPTY=
FROM_ENV=$HOME
"""
    values = parse_config(text, {"HOME": "/home/ada"})
    assert values == {
        "SHARED_FS_ROOT": "/nfs",
        "NODE_GPUS": "8",
        "ROOT_USER": "ada",
        "DB_PATH": "/nfs/hai-platform/db",
        "EMPTY": "",
        "FROM_ENV": "/home/ada",
    }
    given = given_in_file(values)
    assert given.data_dir == Path("/nfs/hai-platform")
    assert (given.gpus_per_node, given.user, given.nodes) == (8, "ada", None)


@pytest.mark.parametrize(
    ("line", "word"),
    [
        pytest.param("rm -rf /", "line 1", id="a command"),
        pytest.param("A=$(id)", "runs a command", id="substitution"),
        pytest.param("A=`id`", "runs a command", id="backticks"),
        pytest.param("A=b c", "blanks", id="blank"),
        pytest.param("A='b", "quotation", id="open quote"),
        pytest.param("A=$NOWHERE", "NOWHERE is not set", id="unknown reference"),
    ],
)
def test_what_only_a_shell_could_do_is_refused(line: str, word: str) -> None:
    with pytest.raises(InvalidInput, match=word):
        parse_config(line, {})


def test_number_variables_must_be_numbers() -> None:
    with pytest.raises(InvalidInput, match="NODE_GPUS=many"):
        given_in_file({"NODE_GPUS": "many"})


def test_variables_without_effect_are_told() -> None:
    lines = warnings_of({"KUBECONFIG": "", "USER_INFO": "a:1:secret", "NODS": "1", "NODES": "1"})
    assert [line.split()[0] for line in lines] == ["KUBECONFIG", "NODS"]
    assert "secret" not in "".join(lines)


@pytest.mark.parametrize(
    "url",
    ["postgresql://u:pw@h/db", "postgresql://h/db?user=u&password=pw"],
)
def test_a_password_on_the_command_line_is_refused(url: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        refuse_password_in_argv(url)
    assert "HAI_DATABASE_URL" in caught.value.hint
    assert "pw@" not in caught.value.message
    refuse_password_in_argv("postgresql://u@h/db")
    refuse_password_in_argv(None)


def test_passwords_never_show() -> None:
    assert masked("postgresql://u:pw@h:5432/db?sslmode=require") == "postgresql://h/db"
    assert "pw" not in repr(resolved(database_url="postgresql://u:pw@h/db"))
    assert "pw" not in repr(GivenOptions(database_url="postgresql://u:pw@h/db"))


@pytest.mark.parametrize(
    ("os_user", "name"), [("ada", "ada"), ("ada lovelace", "hai"), ("", "hai"), ("1st", "hai")]
)
def test_user_name_is_the_operating_systems_where_it_can_be(os_user: str, name: str) -> None:
    assert user_name_of(os_user) == name
