"""What an upgrade would put back."""

from typing import Any

from hai_up.providers.kubernetes.snapshot import as_written


def service(**spec: Any) -> dict[str, Any]:
    metadata = {"name": "one", "uid": "u", "resourceVersion": "7", "labels": {"a": "b"}}
    return {"kind": "Service", "metadata": metadata, "spec": spec, "status": {"loadBalancer": {}}}


def test_what_the_server_gave_is_not_ours_to_apply() -> None:
    """An address that we apply once we must apply for ever, and a port that we apply once would be
    another one at the next run."""
    ports = [{"port": 80, "nodePort": 30080}]
    given = service(
        clusterIP="10.96.0.7", clusterIPs=["10.96.0.7"], healthCheckNodePort=30081, ports=ports
    )
    assert as_written(given) == {
        "kind": "Service",
        "metadata": {"name": "one", "labels": {"a": "b"}},
        "spec": {"ports": [{"port": 80}]},
    }


def test_a_service_without_an_address_stays_so() -> None:
    given = service(clusterIP="None", clusterIPs=["None"])
    assert as_written(given)["spec"] == {"clusterIP": "None"}
