"""Paths of the API server, there and back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hai.kubernetes.paths import core, path_of, target_of


@pytest.mark.parametrize(
    ("path", "words", "resource"),
    [
        ("/api/v1/nodes", "nodes", "nodes"),
        ("/api/v1/nodes/n1", "nodes n1", "nodes"),
        ("/api/v1/nodes/n1/status", "nodes/status n1", "nodes/status"),
        ("/api/v1/namespaces", "namespaces", "namespaces"),
        ("/api/v1/namespaces/a", "namespaces a", "namespaces"),
        ("/api/v1/namespaces/a/finalize", "namespaces/finalize a", "namespaces/finalize"),
        ("/api/v1/namespaces/a/pods", "pods in namespace a", "pods"),
        ("/api/v1/namespaces/a/pods/p/log", "pods/log p in namespace a", "pods/log"),
        ("/apis/batch/v1/namespaces/a/jobs/j", "jobs.batch j in namespace a", "jobs.batch"),
        ("/apis/apps/v1/deployments", "deployments.apps", "deployments.apps"),
        ("/version", "/version", "/version"),
        ("/apis", "/apis", "/apis"),
        ("/apis/apps/v1", "/apis/apps/v1", "/apis/apps/v1"),
        ("", "", ""),
    ],
)
def test_a_path_is_read_back(path: str, words: str, resource: str) -> None:
    assert str(target_of(path)) == words
    assert target_of(path).full_resource == resource


names = st.text(min_size=1, max_size=20)


@given(names, names)
def test_any_name_stays_in_its_place(namespace: str, name: str) -> None:
    path = core("pods", namespace, name, "log")
    assert path.count("/") == 7
    assert not {"?", "#", " "} & set(path)
    target = target_of(path)
    assert (target.namespace, target.name, target.subresource) == (namespace, name, "log")


@given(st.text())
def test_any_text_is_taken(text: str) -> None:
    target = target_of(text)
    assert target.path == text
    assert str(target) == text or target.resource


def test_parts_that_are_empty_are_left_out() -> None:
    assert path_of("v1", "") == "/api/v1"
    assert path_of("policy/v1", "") == "/apis/policy/v1"
    assert path_of("apps/v1", "deployments", name="x") == "/apis/apps/v1/deployments/x"
