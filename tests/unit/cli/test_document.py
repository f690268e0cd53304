import shlex
from pathlib import Path
from typing import Any

import pytest

from hai.cli.document import (
    SubmitOptions,
    build_document,
    check_file,
    inherited_venv,
    scheduling_options,
    with_request_id,
)
from hai.errors import InvalidInput, NotFound


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_a_relative_file_runs_in_the_present_directory(tmp_path: Path) -> None:
    document = build_document("python", ["sub/train.py", "-x", "a b"], SubmitOptions(nodes=2), {})
    assert document == {
        "version": 2,
        "name": "train.py",
        "priority": 30,
        "spec": {
            "entrypoint": "sub/train.py",
            "workspace": str(tmp_path),
            "parameters": "-x 'a b'",
            "environments": {},
        },
        "resource": {"node_count": 2, "group": "default"},
        "options": {},
    }


def test_an_absolute_file_runs_in_its_own_directory() -> None:
    spec = build_document("bash", ["/data/my runs/go.sh"], SubmitOptions(), {})["spec"]
    assert (spec["entrypoint"], spec["workspace"]) == ("go.sh", "/data/my runs")


def test_exec_says_so_and_keeps_an_absolute_path() -> None:
    spec = build_document("exec", ["/usr/bin/env", "x"], SubmitOptions(), {})["spec"]
    assert spec["entrypoint_executable"] is True
    assert spec["entrypoint"] == "/usr/bin/env"


@pytest.mark.parametrize("args", [["a b"], ["'"], ['"x"', "$HOME", "*"], ["", "-"], ["é\n"]])
def test_parameters_survive_the_quoting(args: list[str]) -> None:
    spec = build_document("python", ["a.py", *args], SubmitOptions(), {})["spec"]
    assert shlex.split(spec["parameters"]) == args


def test_wishes_land_where_they_belong() -> None:
    wishes = SubmitOptions(
        name="n",
        group="jd",
        priority="low",
        image="img",
        environments=["A=1", "B=x=y", "C="],
        options=["a.b=3", "a.c=[1, 2]", "s=x=y", "watchdog_time=60"],
    )
    document = build_document("python", ["t.py"], wishes, {})
    assert document["name"] == "n"
    assert document["priority"] == 0
    assert document["resource"] == {"node_count": 1, "group": "jd", "image": "img"}
    assert document["spec"]["environments"] == {"A": "1", "B": "x=y", "C": ""}
    assert document["options"] == {
        "a": {"b": 3, "c": [1, 2]},
        "s": "x=y",
        "watchdog_time": 60,
    }


@pytest.mark.parametrize(
    "wishes",
    [
        SubmitOptions(environments=["A"]),
        SubmitOptions(environments=["=1"]),
        SubmitOptions(options=["a"]),
        SubmitOptions(options=["a=1", "a.b=2"]),
        SubmitOptions(options=["a={"]),
        SubmitOptions(priority="URGENT"),
    ],
)
def test_wrong_wishes(wishes: SubmitOptions) -> None:
    with pytest.raises(InvalidInput):
        build_document("python", ["t.py"], wishes, {})


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, None),
        ({"VIRTUAL_ENV": "/v"}, "/v"),
        ({"CONDA_PREFIX": "/c"}, "/c"),
        ({"VIRTUAL_ENV": "/v", "CONDA_PREFIX": "/c"}, "/v"),
        ({"HF_ENV_NAME": "e", "HF_ENV_OWNER": "bob", "VIRTUAL_ENV": "/v"}, "e[bob]"),
        ({"HF_ENV_NAME": "e", "HF_ENV_PATH": "/envs/e", "HF_ENV_OWNER": "bob"}, "/envs/e"),
        ({"HF_ENV_NAME": "e"}, "e"),
    ],
)
def test_the_shells_environment_is_inherited(environ: dict[str, str], expected: str | None) -> None:
    assert inherited_venv(environ) == expected
    options = build_document("python", ["t.py"], SubmitOptions(), environ)["options"]
    assert options.get("py_venv") == expected
    assert (
        build_document("python", ["t.py"], SubmitOptions(inherit=False), environ)["options"] == {}
    )


def test_files_are_checked_before_anything_is_sent(tmp_path: Path) -> None:
    for name in ("t.py", "t.sh", "with blank.py"):
        (tmp_path / name).touch()
    check_file("python", "t.py")
    check_file("python", "with blank.py")
    check_file("bash", "t.sh")
    check_file("exec", "nvidia-smi")
    with pytest.raises(NotFound):
        check_file("python", "missing.py")
    with pytest.raises(NotFound):
        check_file("exec", "./missing")
    with pytest.raises(InvalidInput, match="directory"):
        check_file("bash", str(tmp_path))
    with pytest.raises(InvalidInput, match="bash"):
        check_file("python", "t.sh")
    with pytest.raises(InvalidInput, match="Python"):
        check_file("bash", "t.py")


def test_each_submission_has_its_own_request_id_unless_it_brings_one() -> None:
    first, second = with_request_id({"name": "a"}), with_request_id({"name": "a"})
    assert first["request_id"] != second["request_id"]
    assert with_request_id({"request_id": "mine"})["request_id"] == "mine"


def test_turns_become_options() -> None:
    scheduling = scheduling_options(["12", "afterany:13"], "0-9%2", "1h30m", 3)
    assert scheduling == {
        "after": ["12", "afterany:13"],
        "array": "0-9%2",
        "time_limit": 5400.0,
        "retry": {"max": 3},
    }
    assert scheduling_options(None, None, None, None) == {}
    wishes = SubmitOptions(options=["retry.max=1", "a=2"], scheduling=scheduling)
    options = build_document("python", ["t.py"], wishes, {})["options"]
    assert options == {"a": 2, **scheduling}


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        ((["afterok:"], None, None, None), "options.after"),
        ((None, "x", None, None), "options.array"),
        ((None, None, "soon", None), "'soon' is no duration"),
        ((None, None, "0", None), "options.time_limit"),
        ((None, None, None, -1), "options.retry.max"),
    ],
)
def test_turns_that_make_no_sense(words: tuple[Any, ...], complaint: str) -> None:
    with pytest.raises(InvalidInput, match=complaint):
        scheduling_options(*words)
