"""Which environments there are, and the errors where there is none."""

import json
from pathlib import Path

import pytest

from hai.errors import InvalidInput, NotFound, PlatformError
from haienv.index import Index, write
from haienv.model import Environment, Extras


@pytest.fixture
def index(tmp_path: Path) -> Index:
    return Index("ann", tmp_path / "ann", tmp_path)


def put(root: Path, name: str) -> Environment:
    path = root / name
    path.mkdir(parents=True)
    made = Environment(name, root.name, path, "3.11.7", None, "2030-01-02T03:04:05Z", Extras())
    write(made)
    return made


def test_finds_own_and_others(index: Index, tmp_path: Path) -> None:
    own, other = put(index.root, "vision"), put(tmp_path / "bob", "speech")
    assert index.find("vision") == own
    assert index.find("vision[ann]") == own
    assert index.find("speech[bob]") == index.find("speech", "bob") == other
    assert index.environments() == [own]
    assert index.environments("bob") == [other]
    assert index.owners() == ["ann", "bob"]


def test_a_half_made_or_damaged_one_is_not_listed(index: Index) -> None:
    put(index.root, "good")
    (index.root / "half").mkdir()
    (index.root / ".removed.x.1").mkdir()
    bad = put(index.root, "bad")
    (bad.path / "haienv.json").write_text("{")
    assert [one.name for one in index.environments()] == ["good"]
    with pytest.raises(PlatformError, match="cannot be read"):
        index.find("bad")


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("visoin", "did you mean 'vision'?"),
        ("zzz", "haienv create zzz"),
        ("zzz[bob]", "haienv list -u bob shows what there is"),
    ],
)
def test_not_found_says_what_to_do(index: Index, name: str, hint: str) -> None:
    put(index.root, "vision")
    with pytest.raises(NotFound) as caught:
        index.find(name)
    assert caught.value.hint == hint


def test_nothing_there_is_an_empty_list(index: Index) -> None:
    assert index.environments() == []
    assert index.owners() == ["ann"]


@pytest.mark.parametrize("owner", ["../bob", "..", "/etc", ".x"])
def test_an_owner_is_a_name_not_a_path(index: Index, owner: str) -> None:
    with pytest.raises(InvalidInput):
        index.environments(owner)


def test_an_unknown_user_without_a_shared_root(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="no user 'nobody-at-all'"):
        Index("ann", tmp_path, None).environments("nobody-at-all")


def test_the_root_comes_from_the_variable(tmp_path: Path) -> None:
    index = Index.of_process({"HAIENV_PATH": f"{tmp_path}/./ann/"})
    assert (index.root, index.shared) == (tmp_path / "ann", tmp_path)
    with pytest.raises(InvalidInput, match="HAIENV_PATH"):
        Index.of_process({"HAIENV_PATH": "envs"})


def test_the_file_is_for_people_too(index: Index) -> None:
    made = put(index.root, "vision")
    document = json.loads((made.path / "haienv.json").read_text())
    assert document["schema_version"] == 1
    assert document["python"] == "3.11.7"
