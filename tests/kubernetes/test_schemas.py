"""Manifests against the schema that the cluster itself publishes (1.20 on the testbed), and against
the server's own checks, without anything being made."""

import json
from typing import Any

import jsonschema
import pytest

from hai.kubernetes.client import KubernetesClient
from hai.kubernetes.paths import core
from tests.unit.kubernetes.variants import documents

_KINDS = {"Pod": "pods", "Service": "services", "Secret": "secrets", "ConfigMap": "configmaps"}
_ANY = ("Quantity", "IntOrString")  # published as text; servers take numbers too


@pytest.fixture
async def schema(client: KubernetesClient) -> dict[str, Any]:
    """Of the core objects; what it does not name is forbidden."""
    published: dict[str, Any] = json.loads(await client.request_raw("GET", "/openapi/v2"))
    for name, definition in published["definitions"].items():
        if "properties" in definition and not name.endswith(_ANY):
            definition["additionalProperties"] = False
    return published


def errors_of(schema: dict[str, Any], document: dict[str, Any]) -> list[str]:
    reference = f"#/definitions/io.k8s.api.core.v1.{document['kind']}"
    rules = {"$ref": reference, "definitions": schema["definitions"]}
    found = jsonschema.Draft4Validator(rules).iter_errors(document)
    return [f"{error.json_path}: {error.message}" for error in found]


async def test_manifests_are_of_the_clusters_own_schema(schema: dict[str, Any]) -> None:
    wrong = {name: errors_of(schema, document) for name, document in documents().items()}
    assert not {name: errors for name, errors in wrong.items() if errors}
    broken = documents()["agent by ConfigMap"]
    broken["spec"]["containers"][0]["imagePolicy"] = "Always"
    assert any("imagePolicy" in error for error in errors_of(schema, broken))


async def test_the_server_takes_every_manifest(client: KubernetesClient, namespace: str) -> None:
    """dryRun: all that admission and validation ask for, and nothing is kept."""
    for name, document in documents().items():
        document["metadata"]["namespace"] = namespace
        path = core(_KINDS[document["kind"]], namespace)
        made = await client.create(path, document, dryRun="All")
        assert made["metadata"]["name"] == document["metadata"]["name"], name
    for resource in ("pods", "services"):
        assert (await client.list(core(resource, namespace)))["items"] == []
