"""The promises of every provider, kept on a cluster."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.kubernetes.images import bring, build
from tests.kubernetes.testbed import Cluster, wait_settled
from tests.providers.promises import keeps_its_promises
from tests.providers.site import Shell

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(1500)]

NAMESPACE = "hai-platform"
_KINDS = (
    "namespaces,secrets,configmaps,services,statefulsets,deployments,jobs,networkpolicies,"
    "serviceaccounts,roles,rolebindings,clusterroles,clusterrolebindings,"
    "poddisruptionbudgets,ingresses,persistentvolumeclaims"
)
_KEPT = (f"namespace/{NAMESPACE}", "secret/hai-platform-secrets", "configmap/hai-platform-state")


class KubernetesSite:
    def __init__(self, cluster: Cluster, image: str, folder: Path) -> None:
        self._cluster = cluster
        self._share = folder / "nfs"
        home = folder / "home"
        for path in (self._share, home):
            path.mkdir(mode=0o755)
        self.shell = Shell(home=home, variables={"KUBECONFIG": str(cluster.kubeconfig)})
        config = home / "config.sh"
        text = self.shell.line("hai-up config -p k8s 2>/dev/null")
        values = {
            "SHARED_FS_ROOT": str(self._share),
            "BASE_IMAGE": image,
            "TRAIN_IMAGE": cluster.image,
            "SERVICE_TYPE": "NodePort",
        }
        for name, value in values.items():
            text, count = re.subn(rf"(?m)^{name}=.*$", f"{name}={value}", text)
            assert count == 1, name
        config.write_text(text)
        self.name = NAMESPACE
        self.run_words: tuple[str, ...] = ("-c", str(config))
        self.words: tuple[str, ...] = ("-p", "k8s")

    def parts(self) -> dict[str, str]:
        """Versions of everything that hai-up looks after; of what has a status, those of what was
        asked for."""
        return {
            name: str(item["metadata"].get("generation") or item["metadata"]["resourceVersion"])
            for name, item in self._objects().items()
            if item["metadata"].get("labels", {}).get("app.kubernetes.io/managed-by") == "hai-up"
            and item["kind"] in ("StatefulSet", "Deployment", "Secret", "ConfigMap", "Service")
        }

    def has_data(self) -> bool:
        return (self._share / "hai-platform" / "db" / "hai" / "postgres" / "PG_VERSION").exists()

    def left(self) -> set[str]:
        labels = {
            f"{item['metadata']['name']} {label}"
            for item in self._items("nodes")
            for label in item["metadata"]["labels"]
        }
        return labels | set(self._objects())

    def kept(self) -> set[str]:
        """With what a namespace gets by itself."""
        own = ("serviceaccount/default", "configmap/kube-root-ca.crt", "secret/default-token")
        return {
            name
            for name in self._objects()
            if any(word in name for word in _KEPT)
            or (name.startswith(f"{NAMESPACE} ") and any(word in name for word in own))
        }

    def _objects(self) -> dict[str, dict[str, Any]]:
        return {
            f"{i['metadata'].get('namespace', '')} {i['kind'].lower()}/{i['metadata']['name']}": i
            for i in self._items(_KINDS)
        }

    def _items(self, kinds: str) -> list[dict[str, Any]]:
        text = self._cluster.kubectl("get", kinds, "-A", "-o", "json")
        found: list[dict[str, Any]] = json.loads(text)["items"]
        return found


def test_kubernetes(own: Cluster, public_dir: Path, tmp_path: Path) -> None:
    wait_settled(own)  # what is left at the end is compared with what was there
    image, archive = build(tmp_path)
    bring(own, archive, nodes=2)
    keeps_its_promises(KubernetesSite(own, image, public_dir))
