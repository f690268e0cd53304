"""An API server with as many nodes and pods as asked for, as one would record them: lists in pages,
and a watch on which every pod changes.

usage: python -m scripts.benchmarks.recorded_api NODES PODS EVENTS      It prints its port.
Pods look like a task's: an init container, 24 variables, mounts, managed fields; 5.9 kB each.
"""

import asyncio
import json
import sys
from contextlib import suppress
from typing import Any

from aiohttp import web

Json = dict[str, Any]

_TIME = "2026-01-01T00:00:00Z"
_BATCH_EVENTS = 50


def pod(number: int, version: int, phase: str) -> Json:
    """One of a gang of 8."""
    task, rank = number // 8 + 1, number % 8
    name = f"hai-{task}-1-{rank}"
    labels = {"app": "hai", "hai/task": str(task), "hai/attempt": "1", "hai/rank": str(rank)}
    return {
        "metadata": {
            "name": name,
            "namespace": "hai-tasks",
            "uid": _uid(number),
            "resourceVersion": str(version),
            "creationTimestamp": _TIME,
            "labels": labels,
            "annotations": {"hai/user": f"user{task % 50}", "hai/node": f"node-{number}"},
            "managedFields": _managed(sorted(labels)),
        },
        "spec": _pod_spec(name, number),
        "status": _pod_status(number, phase),
    }


def _uid(number: int) -> str:
    return f"a5e67c9e-163a-4311-9900-{number:012d}"


def _managed(labels: list[str]) -> list[Json]:
    container: Json = {
        f"f:{key}": {} for key in ("image", "name", "env", "resources", "volumeMounts")
    }
    variables: Json = {f'k:{{"name":"VARIABLE_{n}"}}': {".": {}, "f:value": {}} for n in range(12)}
    spec = {"f:containers": {'k:{"name":"task"}': {**container, "f:env": variables}}}
    fields = {"f:metadata": {"f:labels": {f"f:{key}": {} for key in labels}}, "f:spec": spec}
    conditions: Json = {f'k:{{"type":"{kind}"}}': {".": {}, "f:status": {}} for kind in _CONDITIONS}
    status = {"f:status": {"f:conditions": conditions, "f:phase": {}, "f:podIP": {}}}
    return [
        {"manager": manager, "operation": "Apply", "time": _TIME, "fieldsV1": owned}
        for manager, owned in (("hai", fields), ("kubelet", status))
    ]


_CONDITIONS = ("Initialized", "Ready", "ContainersReady", "PodScheduled")


def _pod_spec(name: str, number: int) -> Json:
    resources = {"cpu": "96", "memory": "900Gi", "nvidia.com/gpu": "8", "rdma/hca": "1"}
    mounts = [{"name": f"storage-{n}", "mountPath": f"/weka/storage-{n}"} for n in range(6)]
    container = {
        "name": "task",
        "image": "registry/training:2026-01",
        "command": ["python3", "/hai/agent.pyz"],
        "env": [{"name": f"VARIABLE_{n}", "value": f"value {n} of {name}"} for n in range(24)],
        "resources": {"requests": resources, "limits": resources},
        "volumeMounts": mounts,
        "terminationMessagePath": "/dev/termination-log",
        "terminationMessagePolicy": "File",
        "imagePullPolicy": "IfNotPresent",
    }
    return {
        "nodeName": f"node-{number}",
        "initContainers": [{**container, "name": "agent", "env": [], "command": ["cp", "-r"]}],
        "containers": [container],
        "volumes": [
            {"name": f"storage-{n}", "hostPath": {"path": f"/mnt/{n}", "type": "Directory"}}
            for n in range(6)
        ],
        "restartPolicy": "Never",
        "terminationGracePeriodSeconds": 30,
        "dnsPolicy": "ClusterFirst",
        "hostname": name,
        "tolerations": [
            {"key": key, "operator": "Exists", "effect": "NoExecute"}
            for key in ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable")
        ],
    }


def _pod_status(number: int, phase: str) -> Json:
    address = f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"
    return {
        "phase": phase,
        "podIP": address,
        "hostIP": address,
        "startTime": _TIME,
        "qosClass": "Guaranteed",
        "conditions": [
            {"type": kind, "status": "True", "lastTransitionTime": _TIME} for kind in _CONDITIONS
        ],
        "containerStatuses": [
            {
                "name": "task",
                "ready": True,
                "restartCount": 0,
                "image": "registry/training:2026-01",
                "imageID": f"sha256:{1:064d}",
                "containerID": f"containerd://60b411b176df29a15511664baf1a1a7b886946d0d7d4{number}",
                "state": {"running": {"startedAt": _TIME}},
            }
        ],
    }


def node(number: int, version: int) -> Json:
    """With 40 images, as kubelets report them: most of its size."""
    name = f"node-{number}"
    amounts = {"cpu": "96", "memory": "1056Gi", "nvidia.com/gpu": "8", "pods": "110"}
    pressures = ("MemoryPressure", "DiskPressure", "PIDPressure", "Ready")
    return {
        "metadata": {
            "name": name,
            "uid": _uid(number),
            "resourceVersion": str(version),
            "labels": {"hai_mars_group": "a100", "kubernetes.io/hostname": name},
            "managedFields": _managed(["hai_mars_group", "kubernetes.io/hostname"]),
        },
        "spec": {"podCIDR": "10.0.0.0/24"},
        "status": {
            "capacity": amounts,
            "allocatable": amounts,
            "conditions": [
                {"type": kind, "status": "False", "lastHeartbeatTime": _TIME, "reason": "Kubelet"}
                for kind in pressures
            ],
            "addresses": [{"type": "Hostname", "address": name}],
            "nodeInfo": {"kubeletVersion": "v1.20.2", "architecture": "amd64"},
            "images": [
                {
                    "names": [f"registry/image@sha256:{n:064d}", f"registry/image:{n}"],
                    "sizeBytes": n,
                }
                for n in range(40)
            ],
        },
    }


class Api:
    """Items are made page by page: the whole of them would be large here, too."""

    def __init__(self, nodes: int, pods: int, events: int) -> None:
        self.nodes = nodes
        self.pods = pods
        self.events = events

    async def answer(self, request: web.Request) -> web.StreamResponse:
        is_pods = request.path.endswith("/pods")
        if request.query.get("watch") == "true":
            return await self._watch(request, is_pods)
        if request.path == "/version":
            return web.json_response({})
        first, limit = int(request.query.get("continue", "0")), int(request.query["limit"])
        total = self.pods if is_pods else self.nodes
        last = min(first + limit, total)
        metadata: Json = {"resourceVersion": str(total + 1)}
        if last < total:
            metadata |= {"continue": str(last), "remainingItemCount": total - last}
        numbers = range(first, last)
        items = [pod(n, n + 1, "Pending") if is_pods else node(n, n + 1) for n in numbers]
        return web.Response(
            body=_compact({"kind": "List", "metadata": metadata, "items": items}),
            content_type="application/json",
        )

    async def _watch(self, request: web.Request, is_pods: bool) -> web.StreamResponse:
        response = web.StreamResponse()
        with suppress(ConnectionResetError):  # the reader has left
            await response.prepare(request)
            for first in range(0, self.events if is_pods else 0, _BATCH_EVENTS):
                last = min(first + _BATCH_EVENTS, self.events)
                await response.write(b"".join(map(self._event, range(first, last))))
            await asyncio.Event().wait()
        return response

    def _event(self, number: int) -> bytes:
        changed = pod(number % self.pods, self.pods + 2 + number, "Running")
        return _compact({"type": "MODIFIED", "object": changed}) + b"\n"


def _compact(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


async def main(nodes: int, pods: int, events: int) -> None:
    """Serve until the standard input ends."""
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", Api(nodes, pods, events).answer)
    runner = web.AppRunner(application, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    print(runner.addresses[0][1], flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    await runner.cleanup()


if __name__ == "__main__":
    asyncio.run(main(*map(int, sys.argv[1:4])))
