"""With HAI_TASKS=k8s: which group each node of that cluster is in."""

import asyncio
from collections.abc import Mapping
from pathlib import Path

from hai.errors import NotFound
from hai_up.choice import missing_k8s_extra
from hai_up.compose.options import ComposeOptions, TaskCluster

Labels = Mapping[str, str]


def label_task_nodes(options: ComposeOptions, before: Labels) -> tuple[Labels, list[str]]:
    """What is ours now, and the nodes that changed; the tasks' namespace is there afterwards."""
    if options.cluster is None:
        return before, []
    return asyncio.run(_labelled(options.cluster, options.cluster.group_of, before))


def unlabel_task_nodes(options: ComposeOptions, before: Labels) -> None:
    if options.cluster is not None and before:
        asyncio.run(_labelled(options.cluster, {}, before))


async def _labelled(
    cluster: TaskCluster, wanted: Mapping[str, str], before: Labels
) -> tuple[Labels, list[str]]:
    """Imported late: without a cluster nobody needs a library for one."""
    try:
        from hai.kubernetes import paths
        from hai.kubernetes.client import KubernetesClient
        from hai_up.providers.kubernetes.nodes import check_nodes, label_nodes
    except ImportError as error:
        raise missing_k8s_extra() from error
    async with await KubernetesClient.open(
        Path(cluster.kubeconfig), cluster.context or None
    ) as client:
        if wanted:
            await check_nodes(client, tuple(wanted))
            place = paths.core("namespaces", name=cluster.namespace)
            try:
                await client.get(place)
            except NotFound:
                body = {"metadata": {"name": cluster.namespace}}
                await client.create(paths.core("namespaces"), body)
        label = f"{cluster.prefix}_mars_group"
        return await label_nodes(client, label, wanted, dict(before))
