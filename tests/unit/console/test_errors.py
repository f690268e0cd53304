import io
import json

import pytest

from hai.cli.peek import Peeked, peek
from hai.console import errors
from hai.errors import HaiError, NotFound


def every(kind: type[HaiError]) -> list[type[HaiError]]:
    return [kind, *(below for child in kind.__subclasses__() for below in every(child))]


def test_every_error_has_an_exit_code_that_help_explains() -> None:
    for kind in every(HaiError):
        if kind.__module__ == "hai.errors":
            assert errors.exit_code(kind("x")) in errors.MEANINGS


def test_codes_of_the_contract() -> None:
    expected = {"not_found": 3, "auth_required": 4, "over_quota": 5, "name_in_use": 6}
    assert expected.items() <= errors.EXIT_CODES.items()
    assert errors.exit_code(type("New", (HaiError,), {"code": "new_one"})("x")) == 1


def test_an_error_is_one_line_and_a_hint() -> None:
    stream = io.StringIO()
    errors.Stderr(stream).error(NotFound("no task\n'x'", hint="see `hai-cli list`"))
    assert stream.getvalue() == "hai-cli: no task 'x'\n  hint: see `hai-cli list`\n"


def test_as_json_it_is_an_error_body() -> None:
    stream = io.StringIO()
    error = NotFound("no task", hint="h", details={"request_id": "r-1", "ref": "x"})
    errors.Stderr(stream, as_json=True).error(error)
    assert json.loads(stream.getvalue()) == {
        "code": "not_found",
        "message": "no task",
        "hint": "h",
        "request_id": "r-1",
        "details": {"ref": "x"},
    }


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("list", Peeked()),
        ("list -o json", Peeked(as_json=True)),
        ("list --json --debug", Peeked(as_json=True, debug=True)),
        ("list --output=json", Peeked(as_json=True)),
        ("list -o yaml", Peeked()),
        ("python a.py --json --debug", Peeked()),
        ("python a.py --debug -- --json", Peeked(as_json=True)),
        ("--debug python a.py", Peeked(debug=True)),
        ("list -o", Peeked()),
        ("list --color never --json", Peeked(as_json=True, color="never")),
        ("list --color=always", Peeked(color="always")),
        ("list --color", Peeked()),
    ],
)
def test_peeking_reads_our_own_words_only(line: str, expected: Peeked) -> None:
    assert peek(line.split()) == expected


def test_the_default_format_counts_unless_another_is_chosen() -> None:
    assert peek(["list"], "json").as_json
    assert not peek(["list", "-o", "table"], "json").as_json
    assert not peek(["list"], "yaml").as_json
