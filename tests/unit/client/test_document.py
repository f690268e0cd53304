"""What a run document makes of the characters that were written."""

import json
import sys
from typing import Any

import pytest

from hai.client.document import (
    ANY,
    FIELDS,
    NUMBER,
    OTHERS,
    TEXT,
    WHOLE,
    parse_document,
    parse_option,
)
from hai.errors import InvalidInput
from hai.schema.submission import Submission

WORDS = [
    *("3.10", "1.0", "1e3", "010", "0o17", "0x1F", "0b11", "1_000", "+1", "-0", ".5", "1.", "007"),
    *("yes", "Yes", "NO", "on", "Off", "y", "n", "true", "False", "~", "null", "NULL", "="),
    *("2026-01-02", "2026-01-02T10:00:00Z", "12:30:00", "190:20:30", ".nan", ".inf", "-.Inf"),
    *("NaN", "Infinity", "1e999", "9" * 60, "a b", "x#y"),
]


def read(text: str) -> dict[str, Any]:
    return parse_document(text, "t.yaml")


def refusal(text: str) -> str:
    with pytest.raises(InvalidInput) as caught:
        read(text)
    return caught.value.message


@pytest.mark.parametrize("word", WORDS)
def test_text_keeps_its_characters(word: str) -> None:
    text = f"name: {word}\nspec:\n  parameters: {word}\n  environments: {{A: {word}, {word}: 1}}\n"
    found = read(text)
    assert found["name"] == word
    assert found["spec"] == {"parameters": word, "environments": {"A": word, word: "1"}}
    assert read(f'name: "{word}"')["name"] == word


@pytest.mark.parametrize("key", ["py_venv", "array", "after", "suspend_signal"])
def test_options_that_are_text(key: str) -> None:
    assert read(f"options: {{{key}: 010}}") == {"options": {key: "010"}}
    assert read(f"options: {{{key}: [12, no]}}") == {"options": {key: ["12", "no"]}}
    for nothing in ("~", "null", ""):
        assert read(f"options: {{{key}: {nothing}}}") == {"options": {key: None}}


@pytest.mark.parametrize(
    ("word", "value"),
    [
        ("5", 5),
        ("+5", 5),
        ("-0", 0),
        ("0x1F", 31),
        ("1e3", 1000.0),
        ("1.5E-3", 0.0015),
        ("3.10", 3.1),
        (".5", 0.5),
        ("1.", 1.0),
        ("true", True),
        ("FALSE", False),
        ("~", None),
        ("null", None),
        ("", None),
        ("2026-01-02", "2026-01-02"),
        ("y", "y"),
        ("1h30m", "1h30m"),
        ("'010'", "010"),
        ('"yes"', "yes"),
        ("!!str 12", "12"),
        ("!!int 12", 12),
        ("[1, a, [~]]", [1, "a", [None]]),
        ("{on: 1, yes: 2, 3: x, ~: y}", {"on": 1, "yes": 2, "3": "x", "~": "y"}),
    ],
)
def test_options_are_typed(word: str, value: object) -> None:
    found = read(f"options:\n  x: {word}\n")["options"]["x"]
    assert (found, type(found)) == (value, type(value))
    assert parse_option(word, "x", "--options") == value


@pytest.mark.parametrize(
    "word",
    [
        *("yes", "No", "ON", "off", "010", "-07", "08", "0o17", "0b11", "1_000", "1_0.5", "0x_1"),
        *("12:30:00", "190:20", ".nan", ".NaN", ".inf", "-.Inf", "NaN", "Infinity", "1e999", "inf"),
    ],
)
def test_what_has_no_one_reading_is_refused_by_key_and_line(word: str) -> None:
    told = refusal(f"options:\n  a:\n  - b\n  - {{c: {word}}}\n")
    assert told.startswith("t.yaml, line 4: options.a[1].c: ")
    assert word in told
    with pytest.raises(InvalidInput, match=r"options\.a\.b"):
        parse_option(word, "a.b", "--options")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("resource: {node_count: 010}", "resource.node_count"),
        ("resource: {node_count: 1_0}", "resource.node_count"),
        ("resource: {node_count: 2.0}", "resource.node_count"),
        ("resource: {node_count: 1e1}", "resource.node_count"),
        ("resource: {node_count: yes}", "resource.node_count"),
        ("resource: {node_count: ~}", "resource.node_count"),
        ("resource: {gpu: [1]}", "resource.gpu"),
        ("resource: {is_spot: 1}", "resource.is_spot"),
        ("services: [{name: a, rank: [0, 01]}]", "services[0].rank[1]"),
        ("priority: 010", "priority"),
        ("version: 2.0", "version"),
        ("spec: {parameters: [a]}", "spec.parameters"),
        ("spec: {environments: {A: {B: 1}}}", "spec.environments.A"),
        ("name: a\nname: b", "'name' is there twice, first in line 1"),
        ("spec:\n  environments: {A: 1, A: 1}", "'A' is there twice"),
        ("? [a]\n: 1", "a key must be text"),
        ("a: !secret x", "!secret"),
        ("a: !!python/object:os.system x", "python/object"),
        ("a: &x {b: *x}", "part of"),
        ("a: {<<: 3}", "merged"),
        ("spec:\n\tname: 1", "line 2"),
        ("a: 1\n---\nb: 2", "another document"),
        ("a: " + "{b: " * 90 + "1" + "}" * 90, "too deeply"),
        ("a: " + "[" * 2000, "too deeply"),
        ("[" * 10_000, "too deeply"),
        ('{"a": 1, "a": 2}', "'a' is there twice"),
        ('{"options": {"x": NaN}}', "options.x"),
        ('{"options": {"x": -Infinity}}', "options.x"),
        ('{"options": {"x": [1E400]}}', "options.x[0]"),
        ('{"resource": {"node_count": 1.0}}', "resource.node_count"),
        ("- a", "no run document"),
        ("", "no run document"),
        ("\0", "t.yaml"),
    ],
)
def test_refusals_say_where(text: str, told: str) -> None:
    assert told in refusal(text)


def test_booleans_and_levels() -> None:
    for word, value in (("yes", True), ("Off", False), ("true", True), ("No", False)):
        assert read(f"spec: {{entrypoint_executable: {word}}}")["spec"] == {
            "entrypoint_executable": value
        }
    assert read("priority: high")["priority"] == "high"
    assert read("priority: -1")["priority"] == -1


def test_json_keeps_the_characters_of_its_numbers() -> None:
    document = '{"spec": {"environments": {"V": 3.10, "E": 1e3, "B": true, "T": "NO", "N": null}}}'
    environments = {"V": "3.10", "E": "1e3", "B": "true", "T": "NO", "N": None}
    assert read(document) == {"spec": {"environments": environments}}
    assert read('{"options": {"x": [1.50, 2, true, null, "yes"]}}')["options"]["x"] == [
        1.5,
        2,
        True,
        None,
        "yes",
    ]


def test_anchors_are_read_and_bounded() -> None:
    merged = "a: &a {b: 010, c: no}\nspec:\n  environments:\n    <<: *a\n    c: yes\n"
    assert "options" not in merged
    with pytest.raises(InvalidInput, match=r"line 1: a\.b"):
        read(merged)
    good = "spec:\n  environments: &e {b: 010, c: no}\nservices: [{name: &n 1.0, type: *n}]\n"
    assert read(good)["services"] == [{"name": "1.0", "type": "1.0"}]
    first = "spec: {environments: &e {b: 010}}\noptions: {py_venv: x}\n"
    assert read(first)["spec"] == {"environments": {"b": "010"}}
    laughs = "\n".join(f"l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 10)}]" for n in range(1, 9))
    assert "more than 100,000 values" in refusal(f"l0: &l0 x\n{laughs}")


def test_merged_keys_give_way_to_written_ones() -> None:
    text = "spec:\n  environments:\n    <<: [{A: 1.0, B: no}, {A: 2.0, C: 010}]\n    B: yes\n"
    assert read(text)["spec"]["environments"] == {"A": "1.0", "B": "yes", "C": "010"}


def test_yaml_needs_pyyaml_and_json_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "yaml", None)
    assert read('{"name": "x"}') == {"name": "x"}
    assert "needs pyyaml" in refusal("name: x\n")


def test_the_rules_are_those_of_the_schema() -> None:
    """Every field of a submission has a rule, of the kind that the server checks."""
    schema = Submission.model_json_schema()
    parts = schema["$defs"]

    def check(rules: dict[str, Any], properties: dict[str, Any], where: str) -> None:
        assert set(rules) == set(properties), where
        for name, rule in rules.items():
            spec = properties[name]
            if isinstance(rule, str):
                kinds = {spec.get("type")} | {one.get("type") for one in spec.get("anyOf", ())}
                kinds -= {None, "null"}
                kind = "number" if "number" in kinds else next(iter(kinds), "")
                assert rule in KINDS.get(kind, {"level"}), name
            elif "$ref" in spec:
                check(rule, parts[spec["$ref"].split("/")[-1]]["properties"], name)
            elif spec.get("type") == "array":
                check(rule[OTHERS], parts[spec["items"]["$ref"].split("/")[-1]]["properties"], name)

    services = dict(FIELDS["services"][OTHERS])  # type: ignore[index,arg-type]
    services["rank"] = ANY
    check({**FIELDS, "services": {OTHERS: services}}, schema["properties"], "submission")


KINDS = {
    "string": {TEXT, "optional", "level"},
    "integer": {WHOLE, ANY, "level"},
    "number": {NUMBER},
    "boolean": {"boolean"},
    "array": {ANY},
}


def test_what_is_read_can_be_sent() -> None:
    found = read("version: 2\nname: x\npriority: high\nspec: {entrypoint: a.py}\noptions: {a: 1e3}")
    submission = Submission.model_validate(json.loads(json.dumps(found, allow_nan=False)))
    assert submission.options == {"a": 1000.0}
