"""Commands that only look: config, status, logs, dryrun."""

import asyncio
import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from hai import __version__
from hai.errors import HaiError
from hai.kubernetes import paths
from hai.kubernetes.client import KubernetesClient
from hai.kubernetes.paths import path_of
from hai_up.choice import K8S
from hai_up.cluster.options import cluster_options
from hai_up.cluster.plan import ClusterFacts, ClusterPlan, plan_cluster, seed_objects
from hai_up.cluster.secrets import MASKED
from hai_up.config import os_user, parse_config, user_name_of
from hai_up.console import data
from hai_up.files import os_error, write_private
from hai_up.last import LastPlatform
from hai_up.providers.kubernetes import state as states
from hai_up.providers.kubernetes.apply import ours
from hai_up.providers.kubernetes.compare import changes
from hai_up.providers.kubernetes.place import open_client
from hai_up.providers.kubernetes.told import platform_facts
from hai_up.providers.kubernetes.wait import is_ready, pods_say
from hai_up.render import render
from hai_up.status import BROKEN, NOT_RUNNING, RUNNING
from hai_up.userinfo import FIRST_UID

Json = dict[str, Any]
Say = Callable[[str], None]

_LOOK_SECONDS = 5.0
_HIDDEN = "(a secret)"
CHANGES = "changes.diff"


def config_template(say: Say) -> str:
    """config.sh for a cluster, with what is known of this one filled in."""
    try:
        found = asyncio.run(asyncio.wait_for(_cluster_facts(), _LOOK_SECONDS))
    except (HaiError, TimeoutError) as error:
        why = error.message if isinstance(error, HaiError) else "it does not answer"
        say(f"warning: nothing of the cluster is filled in: {why}")
        found = {"host": "", "nodes": [], "gpus": 8, "storage_classes": [], "ingress_classes": []}
    user = user_name_of(os_user())
    revision = __version__.partition("+g")[2]
    return render(
        "config.k8s.sh.j2",
        **found,
        kubeconfig=os.environ.get("KUBECONFIG", "~/.kube/config"),
        context="",
        shared_fs_root="/nfs-shared",
        manager_nodes=found["nodes"][:1],
        image=f"hai-platform:{revision}" if revision else "",
        user=user,
        uid=os.getuid() or FIRST_UID,
    )


def check_config(text: str) -> None:
    """InvalidInput for a config.sh of a cluster that will not do."""
    cluster_options(parse_config(text, os.environ))


async def _cluster_facts() -> Json:
    async with await open_client("", "") as client:
        nodes = (await client.list(paths.core("nodes")))["items"]
        gpus = [
            int((one["status"].get("allocatable") or {}).get("nvidia.com/gpu", 0)) for one in nodes
        ]
        return {
            "host": client.host,
            "nodes": sorted(one["metadata"]["name"] for one in nodes),
            "gpus": max(gpus, default=0),
            "storage_classes": await _names(client, "storage.k8s.io/v1", "storageclasses"),
            "ingress_classes": await _names(client, "networking.k8s.io/v1", "ingressclasses"),
        }


async def _names(client: KubernetesClient, version: str, resource: str) -> list[str]:
    try:
        listed = await client.list(path_of(version, resource))
    except HaiError:  # this user may not look
        return []
    return sorted(one["metadata"]["name"] for one in listed["items"])


def show_plan(values: Mapping[str, str], out: Path | None, say: Say) -> None:
    """Everything that run would apply, without secrets, and what that would change in the cluster
    where it is reached."""
    files = files_of(masked_plan(values))
    try:
        found = changes(cluster_options(values))
        files[CHANGES] = found or "nothing would change\n"
    except HaiError as error:
        say(f"warning: no comparison with the cluster: {error.message}")
    for name, text in files.items():
        if out is None:
            data(f"# --- {name}\n{text}")
        else:
            _write(out / name, text)
            say(f"wrote {out / name}")
    say("nothing was changed")


def masked_plan(values: Mapping[str, str]) -> ClusterPlan:
    options = cluster_options(values)
    hidden = replace(
        options,
        users=tuple(replace(user, token=_HIDDEN) for user in options.users),
        postgres_password="",
        redis_password="",
    )
    return plan_cluster(hidden, ClusterFacts("policy/v1"), MASKED)


def files_of(plan: ClusterPlan) -> dict[str, str]:
    """By name, in the order in which they are applied; the same for the same plan."""
    files = dict(plan.files)
    stages = {**plan.stages, "seed": seed_objects(plan, MASKED)}
    for number, (name, items) in enumerate(stages.items()):
        if items:
            text = yaml.safe_dump_all(items, sort_keys=False, explicit_start=True)
            files[f"{number}-{name}.yaml"] = text
    return files


def _write(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise os_error(f"cannot make {path.parent}", error) from error
    write_private(path, text)


def status(last: LastPlatform) -> Json:
    """status: running, not running or broken; and each part of it."""
    return asyncio.run(_status(last))


async def _status(last: LastPlatform) -> Json:
    async with await open_client(last.kubeconfig, last.context) as client:
        state = await states.load(client, last.namespace)
        parts = {}
        for kind in ("StatefulSet", "Deployment"):
            for item in await ours(client, kind, last.namespace):
                good = is_ready(item)
                parts[item["metadata"]["name"]] = "ready" if good else await pods_say(client, item)
        good = all(word == "ready" for word in parts.values())
        facts: Json = {
            "schema_version": 1,
            "status": (RUNNING if good else BROKEN) if parts else NOT_RUNNING,
            "provider": K8S,
            "cluster": client.host,
            "namespace": last.namespace,
            "version": state.version if state else "",
            "parts": parts,
            **await platform_facts(client, last.namespace),
        }
        if state and state.version != __version__:
            facts["note"] = (
                f"hai-up here is {__version__}: hai-up upgrade -c config.sh brings it there"
            )
        return facts
