"""What a server can do, found by asking it, never by its version.

Versions lie: features are switched on and off, back-ported and served by other programs.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from hai.errors import HaiError, InvalidInput, NotFound
from hai.kubernetes.client import APPLY_PATCH, KubernetesClient
from hai.kubernetes.paths import core, path_of

_PODS = "/api/v1/namespaces/{namespace}/pods"


@dataclass(slots=True)
class Discovery:
    """Answers are kept: make a new one after the server may have been upgraded."""

    client: KubernetesClient
    _resources: dict[str, frozenset[str]] = field(default_factory=dict)

    async def has(self, group_version: str, resource: str) -> bool:
        """Such as has("policy/v1", "poddisruptionbudgets") or has("v1", "pods/eviction").

        Raises Unavailable where the server, or the one behind an aggregated API, does not answer.
        """
        known = self._resources.get(group_version)
        if known is None:
            known = self._resources[group_version] = await self._read(group_version)
        return resource in known

    async def first_of(self, resource: str, *group_versions: str) -> str | None:
        """The first group and version that serves the resource, such as "policy/v1"."""
        for group_version in group_versions:
            if await self.has(group_version, resource):
                return group_version
        return None

    async def _read(self, group_version: str) -> frozenset[str]:
        try:
            found = await self.client.get(path_of(group_version, ""))
        except NotFound:
            return frozenset()
        return frozenset(str(entry.get("name")) for entry in found.get("resources") or ())

    async def has_server_side_apply(self) -> bool:
        """By the published schema: whether a pod may be patched by apply."""
        try:
            schema = await self._schema("/openapi/v3/api/v1")
            patch = schema["paths"][_PODS + "/{name}"]["patch"]
            return APPLY_PATCH in patch["requestBody"]["content"]
        except (NotFound, KeyError, TypeError):
            pass
        try:
            schema = await self._schema("/openapi/v2")
            return APPLY_PATCH in schema["paths"][_PODS + "/{name}"]["patch"]["consumes"]
        except (NotFound, KeyError, TypeError):
            return False

    async def _schema(self, path: str) -> Mapping[str, Any]:
        schema = json.loads(await self.client.request_raw("GET", path))
        return schema if isinstance(schema, dict) else {}

    async def has_image_volumes(self, namespace: str, image: str) -> bool:
        """Whether a pod may mount an image: a pod is made for trial, and nothing is kept of it.

        The schema does not tell: it has the field also while the feature is off. The API server
        alone is asked; a node's runtime may be older, its pod then says so in its events. False
        also where the pod is refused for another reason, such as a quota.
        """
        try:
            made = await self.client.create(
                core("pods", namespace), _pod_with_image_volume(image), dryRun="All"
            )
        except InvalidInput:  # the unknown field was dropped, and a volume of no kind is left
            return False
        except HaiError as error:
            if error.code in ("denied", "over_quota"):
                return False
            raise
        return any("image" in volume for volume in made["spec"].get("volumes", ()))


def _pod_with_image_volume(image: str) -> Mapping[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"generateName": "hai-trial-"},
        "spec": {
            "automountServiceAccountToken": False,
            "containers": [
                {
                    "name": "trial",
                    "image": image,
                    "volumeMounts": [{"name": "trial", "mountPath": "/trial", "readOnly": True}],
                    "resources": {
                        "requests": {"cpu": "1m", "memory": "1Mi"},
                        "limits": {"cpu": "1m", "memory": "1Mi"},
                    },
                }
            ],
            "volumes": [
                {"name": "trial", "image": {"reference": image, "pullPolicy": "IfNotPresent"}}
            ],
        },
    }
