"""Validation errors reach people in plain words that name the field."""

from typing import Any

import pytest
from pydantic import ValidationError

from hai.schema.submission import Submission
from hai.server.wording import complaint

GOOD: dict[str, Any] = {"name": "a", "spec": {"entrypoint": "a.py"}}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"resource": {"node_count": 0}}, "resource.node_count: must be between 1 and 100,000"),
        ({"resource": {"node_count": 10**6}}, "resource.node_count: must be between 1 and 100,000"),
        ({"resource": {"node_count": "x"}}, "resource.node_count must be a whole number"),
        ({"resource": 3}, "resource must be a mapping"),
        ({"name": "n" * 4096}, "name is too long: at most 511 characters are possible"),
        ({"name": ""}, "name must not be empty"),
        ({"name": 3}, "name must be text"),
        ({"bogus": 1}, "bogus is no known key"),
        ({"spec": {}}, "spec.entrypoint is missing"),
        ({"version": 1}, "version must be 2"),
        ({"services": [{"name": "s", "port": 0}]}, "services.0.port must be at least 1"),
        ({"name": "a/b"}, "name: a name has no ( ) / and no control characters"),
        ({"options": {"watchdog_time": 0}}, "options.watchdog_time must be a number of seconds"),
    ],
)
def test_what_is_wrong(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Submission.model_validate({**GOOD, **changes})
    assert complaint(dict(caught.value.errors()[0])).startswith(words)


def test_a_body_that_is_no_document() -> None:
    broken = {"type": "json_invalid", "loc": ("body", 3), "msg": "JSON decode error", "ctx": {}}
    assert complaint(broken) == "the body is no JSON"
    absent = {"type": "missing", "loc": ("body",), "msg": "Field required"}
    assert complaint(absent) == "the body is missing"
    page = {"type": "less_than_equal", "loc": ("query", "page_size"), "msg": "", "ctx": {"le": 100}}
    assert complaint(page) == "page_size must be at most 100"
