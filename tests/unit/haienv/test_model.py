"""Names, references, variables and what entering an environment changes."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hai.errors import InvalidInput, PlatformError
from haienv.model import (
    Environment,
    Extras,
    activation,
    check_name,
    environment_from,
    parse_reference,
    parse_variable,
)


def environment(extras: Extras = Extras()) -> Environment:  # noqa: B008 (frozen)
    path = Path("/envs/ann/vision")
    return Environment("vision", "ann", path, "3.11.7", "/opt/base", "2030-01-02T03:04:05Z", extras)


@pytest.mark.parametrize("name", ["a", "vision-2.1", "x_1", "9", "a" * 64])
def test_names_that_are_good(name: str) -> None:
    assert check_name(name) == name


@pytest.mark.parametrize("name", ["", ".a", "-a", "a/b", "..", "a b", "a" * 65, "ä", "a\n", "a[b]"])
def test_names_that_are_not(name: str) -> None:
    with pytest.raises(InvalidInput):
        check_name(name)


@pytest.mark.parametrize(
    ("text", "user", "expected"),
    [
        ("vision", None, ("vision", None)),
        ("vision", "ann", ("vision", "ann")),
        ("vision[ann]", None, ("vision", "ann")),
        ("vision[ann]", "ann", ("vision", "ann")),
    ],
)
def test_references(text: str, user: str | None, expected: tuple[str, str | None]) -> None:
    assert parse_reference(text, user) == expected


@pytest.mark.parametrize(
    ("text", "user"), [("v[ann]", "bob"), ("v[]", None), ("[ann]", None), ("v[a]b", None)]
)
def test_references_that_name_no_one_owner(text: str, user: str | None) -> None:
    with pytest.raises(InvalidInput):
        parse_reference(text, user)


@pytest.mark.parametrize("text", ["A", "=1", "1A=2", "A-B=1", "PATH=/x", "HF_ENV_NAME=x", "A=\0"])
def test_variables_that_are_refused(text: str) -> None:
    with pytest.raises(InvalidInput):
        parse_variable(text)


def test_a_variable_may_hold_anything_after_the_first_equals_sign() -> None:
    assert parse_variable("A=b=c d") == ("A", "b=c d")


@pytest.mark.parametrize("directory", ["rel", "/a:b", "/a\nimport os", ""])
def test_search_directories_that_are_refused(directory: str) -> None:
    with pytest.raises(InvalidInput):
        Extras(search_dirs=(directory,))


def test_activation() -> None:
    extras = Extras(("/lib/a", "/lib/b"), ("/opt/bin",), {"OMP_NUM_THREADS": "4"})
    changes = activation(environment(extras))
    assert changes.prefixes == {
        "PATH": "/envs/ann/vision/bin:/opt/bin",
        "PYTHONPATH": "/lib/a:/lib/b",
    }
    assert changes.values == {
        "OMP_NUM_THREADS": "4",
        "VIRTUAL_ENV": "/envs/ann/vision",
        "HF_ENV_NAME": "vision",
        "HF_ENV_OWNER": "ann",
        "HF_ENV_PATH": "/envs/ann/vision",
    }


def test_without_search_directories_pythonpath_stays() -> None:
    assert "PYTHONPATH" not in activation(environment()).prefixes


_paths = st.from_regex(r"/[a-z /.\-]{0,20}", fullmatch=True)
_variables = st.dictionaries(
    st.from_regex(r"X_[A-Za-z0-9_]{0,10}", fullmatch=True),
    st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])),
)


@given(st.lists(_paths), st.lists(_paths), _variables)
def test_what_is_written_can_be_read(
    dirs: list[str], bins: list[str], variables: dict[str, str]
) -> None:
    one = environment(Extras(tuple(dirs), tuple(bins), variables))
    text = json.dumps(one.document())
    assert environment_from(json.loads(text), one.path, "ann") == one


@pytest.mark.parametrize(
    "damage",
    [
        {"schema_version": "one"},
        {"schema_version": 99},
        {"extra_environment": ["A"]},
        {"extra_environment": {"PATH": "/evil"}},
        {"extra_search_dir": ["rel"]},
        {"extra_search_dir": 5},
    ],
)
def test_a_damaged_file_is_refused(damage: dict[str, object]) -> None:
    one = environment()
    with pytest.raises(PlatformError):
        environment_from({**one.document(), **damage}, one.path, "ann")
    with pytest.raises(PlatformError):
        environment_from([damage], one.path, "ann")
