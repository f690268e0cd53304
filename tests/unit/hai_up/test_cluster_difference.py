"""What dryrun shows of an object that would change."""

from typing import Any

from hai_up.cluster.difference import difference


def item(kind: str = "ConfigMap", **more: Any) -> dict[str, Any]:
    server = {"resourceVersion": "7", "uid": "u", "managedFields": [{"manager": "hai-up"}]}
    metadata = {"name": "thing", "labels": {"a": "1"}, **server}
    return {"kind": kind, "apiVersion": "v1", "metadata": metadata, **more}


def test_what_the_server_writes_is_no_change() -> None:
    after = item(data={"key": "value"})
    after["metadata"] |= {"resourceVersion": "8", "managedFields": []}
    assert difference(item(data={"key": "value"}, status={"x": 1}), after) == ""


def test_a_change_is_shown_line_by_line() -> None:
    text = difference(item(data={"a": "1", "b": "2"}), item(data={"a": "1", "b": "3"}))
    assert text.startswith("--- cluster/configmap/thing\n+++ config.sh/configmap/thing\n")
    assert "-  b: '2'\n+  b: '3'\n" in text


def test_values_of_secrets_are_never_shown() -> None:
    before, after = item("Secret", data={"a": "cGxhbnRlZA==", "b": "cGxhbnRlZA=="}), item("Secret")
    after["data"] = {"a": "cGxhbnRlZA==", "b": "b3RoZXI="}
    text = difference(before, after)
    assert "cGxhbnRlZA" not in text
    assert "b3RoZXI" not in text
    assert "-  b: (a secret)\n+  b: (another secret)\n" in text
    assert difference(before, before) == ""
