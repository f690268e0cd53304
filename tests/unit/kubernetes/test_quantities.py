"""Amounts as Kubernetes writes them."""

import pytest

from hai.kubernetes.quantities import left_of, quantity, requests_of


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("2", 2.0),
        ("500m", 0.5),
        ("24581692Ki", 24581692 * 1024),
        ("1.5Gi", 1.5 * 2**30),
        ("1e3", 1000),
        ("2E2", 200),
        ("1E", 1e18),
        ("100n", 1e-7),
        (4, 4.0),
        (".5", 0.5),
        ("3G", 3e9),
    ],
)
def test_quantity(text: object, value: float) -> None:
    assert quantity(text) == pytest.approx(value)


@pytest.mark.parametrize("text", ["", "x", "1 Gi", "1gi", "--1", "1e", "Ki"])
def test_no_quantity(text: str) -> None:
    with pytest.raises(ValueError, match="is no quantity"):
        quantity(text)


def pod(cpu: str, init: str = "0", phase: str = "Running", **more: object) -> dict[str, object]:
    def container(text: str) -> dict[str, object]:
        return {"resources": {"requests": {"cpu": text}}}

    spec = {"containers": [container(cpu), container(cpu)], "initContainers": [container(init)]}
    return {"status": {"phase": phase}, "spec": {**spec, **more}}


def test_requests_of_a_pod_are_those_that_the_scheduler_counts() -> None:
    assert requests_of(pod("300m")) == {"cpu": pytest.approx(0.6)}
    assert requests_of(pod("300m", init="2")) == {"cpu": pytest.approx(2)}
    assert requests_of(pod("1", overhead={"cpu": "250m"})) == {"cpu": pytest.approx(2.25)}
    assert requests_of(pod("1", phase="Succeeded")) == {}
    assert requests_of({}) == {}


def test_what_others_leave_of_a_node() -> None:
    left = left_of({"cpu": "4", "memory": "1Gi", "odd": "?"}, [pod("1"), pod("500m")])
    assert left == {"cpu": pytest.approx(1.0), "memory": 2**30}
    assert left_of({"cpu": "1"}, [pod("2")]) == {"cpu": 0.0}
