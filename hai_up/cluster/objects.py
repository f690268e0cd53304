"""Where the objects of a plan live in the API."""

from collections.abc import Mapping
from typing import Any

from hai.kubernetes.paths import path_of

# By kind, in the order in which they are taken away: what uses something before what is used.
RESOURCES = {
    "Ingress": ("networking.k8s.io/v1", "ingresses"),
    "Deployment": ("apps/v1", "deployments"),
    "StatefulSet": ("apps/v1", "statefulsets"),
    "Job": ("batch/v1", "jobs"),
    "PodDisruptionBudget": ("policy/v1", "poddisruptionbudgets"),
    "NetworkPolicy": ("networking.k8s.io/v1", "networkpolicies"),
    "Service": ("v1", "services"),
    "ConfigMap": ("v1", "configmaps"),
    "RoleBinding": ("rbac.authorization.k8s.io/v1", "rolebindings"),
    "Role": ("rbac.authorization.k8s.io/v1", "roles"),
    "ClusterRoleBinding": ("rbac.authorization.k8s.io/v1", "clusterrolebindings"),
    "ClusterRole": ("rbac.authorization.k8s.io/v1", "clusterroles"),
    "ServiceAccount": ("v1", "serviceaccounts"),
    "PersistentVolumeClaim": ("v1", "persistentvolumeclaims"),
    "Secret": ("v1", "secrets"),
    "Namespace": ("v1", "namespaces"),
}
OF_THE_CLUSTER = ("ClusterRole", "ClusterRoleBinding", "Namespace")


def path_of_object(item: Mapping[str, Any]) -> str:
    metadata = item["metadata"]
    resource = RESOURCES[item["kind"]][1]
    return path_of(item["apiVersion"], resource, metadata.get("namespace", ""), metadata["name"])


def name_of(item: Mapping[str, Any]) -> str:
    """For people: as kubectl names it."""
    return f"{item['kind'].lower()}/{item['metadata']['name']}"
