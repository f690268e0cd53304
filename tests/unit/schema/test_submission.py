"""What a submission accepts and what it refuses, in words that name the field."""

from typing import Any

import pytest
from pydantic import ValidationError

from hai.core.array_spec import ArraySpec
from hai.core.task_options import TaskOptions
from hai.core.types import Priority
from hai.schema.submission import Submission, priority_level


def document(**more: Any) -> dict[str, Any]:
    return {"version": 2, "name": "train.py", "spec": {"entrypoint": "train.py"}, **more}


def test_the_smallest_document() -> None:
    submission = Submission.model_validate(document())
    assert submission.priority is Priority.AUTO
    assert (submission.resource.group, submission.resource.node_count) == ("default", 1)


@pytest.mark.parametrize(
    ("more", "complaint"),
    [
        pytest.param({"version": 1}, "version", id="another version"),
        pytest.param({"name": ""}, "name", id="no name"),
        pytest.param({"name": "a(b)"}, "control", id="parentheses"),
        pytest.param({"name": "a/b"}, "control", id="slash"),
        pytest.param({"name": "x" * 4096}, "511", id="4 kB name"),
        pytest.param({"name": "123"}, "id", id="looks like an id"),
        pytest.param({"name": "12_[7]"}, "id", id="looks like a member of an array"),
        pytest.param({"name": "12_[*]"}, "id", id="looks like an array"),
        pytest.param({"options": {"a": float("nan")}}, "options.a", id="nan"),
        pytest.param({"options": {"a": [{"b": float("inf")}]}}, r"options.a\[0\].b", id="inf"),
        pytest.param({"name": "@last"}, "id", id="looks like a reference"),
        pytest.param({"priority": "URGENT"}, "URGENT", id="unknown priority"),
        pytest.param({"priority": 31}, "31", id="unknown number"),
        pytest.param({"priority": True}, "True", id="a boolean is no priority"),
        pytest.param(
            {"spec": {"entrypoint": "a", "workspace": "~/work"}}, "absolute", id="a relative folder"
        ),
        pytest.param(
            {"spec": {"entrypoint": "a", "parameters": "--x 'y"}}, "quot", id="an open quote"
        ),
        pytest.param({"resource": {"node_count": 0}}, "node_count", id="no nodes"),
        pytest.param({"resource": {"node_count": 10**6}}, "node_count", id="a million nodes"),
        pytest.param({"resource": {"nodes": 1}}, "nodes", id="unknown key"),
        pytest.param({"spec": {}}, "entrypoint", id="nothing to run"),
        pytest.param({"spec": {"entrypoint": "a\0b"}}, "NUL", id="a NUL byte"),
        pytest.param(
            {"spec": {"entrypoint": "a", "environments": {"1x": "y"}}}, "1x", id="bad variable"
        ),
        pytest.param(
            {"spec": {"entrypoint": "a", "parameters": "x" * 2047}}, "2047", id="too long"
        ),
        pytest.param({"options": {"watchdog_time": "soon"}}, "watchdog_time", id="watchdog"),
        pytest.param({"options": {"timeout": 0}}, "options.timeout", id="timeout"),
        pytest.param({"options": {"whole_life_state": 1.5}}, "whole_life_state", id="state"),
        pytest.param({"options": {"suspend_signal": "SIGKILL"}}, "suspend_signal", id="signal"),
        pytest.param({"options": {"time_limit": "soon"}}, "time_limit", id="time limit"),
        pytest.param({"options": {"timeout": 0}}, "timeout", id="no time at all"),
        pytest.param({"options": {"retry": {"on": [0]}}}, "retry.on", id="retry of successes"),
        pytest.param({"options": {"after": "afterok:"}}, "after", id="after nobody"),
        pytest.param({"options": {"array": "9-1"}}, "array", id="empty array"),
        pytest.param(
            {"name": "x" * 505, "options": {"array": "0-1"}}, "too long", id="long name of an array"
        ),
        pytest.param({"services": [{"name": "a", "port": 0}]}, "port", id="bad port"),
    ],
)
def test_refused(more: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValidationError, match=complaint):
        Submission.model_validate(document(**more))


@pytest.mark.parametrize(
    ("value", "level"),
    [("HIGH", Priority.HIGH), ("high", Priority.HIGH), ("30", Priority.HIGH), (-1, Priority.AUTO)],
)
def test_priorities_by_name_and_number(value: object, level: Priority) -> None:
    assert priority_level(value) is level


def test_yaml_scalars_become_environment_text() -> None:
    spec = {"entrypoint": "a", "environments": {"A": 1, "B": True, "C": "x y"}}
    submission = Submission.model_validate(document(spec=spec))
    assert submission.spec.environments == {"A": "1", "B": "true", "C": "x y"}


def test_options_are_read_once_and_kept_as_they_were_written() -> None:
    written = {
        "array": "0-3%2",
        "after": "afterok:12:13,afterany:build",
        "time_limit": "1h30m",
        "idle_seconds": 90.5,
        "whole_life_state": 7,
        "mine": {"a": [1]},
    }
    submission = Submission.model_validate(document(options=written))
    options = submission.parsed_options
    assert options.array == ArraySpec((0, 1, 2, 3), limit=2)
    assert [str(one) for one in options.after] == ["afterok:12", "afterok:13", "afterany:build"]
    assert (options.time_limit_seconds, options.idle_seconds) == (5400.0, 90.5)
    assert options.whole_life_state == 7
    assert submission.model_dump(mode="json")["options"] == written


def test_no_options_ask_for_nothing() -> None:
    assert Submission.model_validate(document()).parsed_options == TaskOptions()
    assert Submission.model_validate(document(options=None)).parsed_options == TaskOptions()
