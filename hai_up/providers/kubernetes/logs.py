"""`hai-up logs` on a cluster: what all processes of hai-server write, together."""

import asyncio
from contextlib import suppress
from typing import Any

from hai.errors import InvalidInput, NotFound, Unavailable
from hai.kubernetes import paths
from hai.kubernetes.client import KubernetesClient
from hai_up.cluster.roles import SERVERS
from hai_up.console import data
from hai_up.last import LastPlatform
from hai_up.providers.kubernetes.place import open_client

Json = dict[str, Any]

_STEP_SECONDS = 2.0
_IDLE_SECONDS = 3600.0  # then the connection is made anew


def show_log(last: LastPlatform, *, tail: int, follow: bool) -> None:
    """The last lines of each process; with `follow` also what comes, until Ctrl-C."""
    asyncio.run(_show(last, tail, follow))


def show_paths(last: LastPlatform) -> None:
    """Where each process's log is: node and folder."""
    asyncio.run(_show_paths(last))


async def _show_paths(last: LastPlatform) -> None:
    async with await open_client(last.kubeconfig, last.context) as client:
        for pod in await _require_pods(client, last.namespace):
            data(f"{pod['spec'].get('nodeName', '?')}:{folder_of(pod)}")


def folder_of(pod: Json) -> str:
    """Of its server's log on its node, as kubelets lay them."""
    metadata = pod["metadata"]
    return f"/var/log/pods/{metadata['namespace']}_{metadata['name']}_{metadata['uid']}/server"


async def _show(last: LastPlatform, tail: int, follow: bool) -> None:
    async with await open_client(last.kubeconfig, last.context) as client:
        pods = await _require_pods(client, last.namespace)
        readers: dict[str, asyncio.Task[None]] = {}
        positions: dict[str, str] = {}
        most: int | None = tail  # of processes that begin later everything is new
        while True:
            for pod in pods:
                name = pod["metadata"]["name"]
                if name not in readers or readers[name].done():
                    reading = _read(client, pod, most, positions, follow=follow)
                    readers[name] = asyncio.create_task(reading)
            if not follow:
                await asyncio.gather(*readers.values())
                return
            most = None
            await asyncio.sleep(_STEP_SECONDS)
            with suppress(Unavailable):  # the API server is away for a moment
                pods = await _pods(client, last.namespace)


async def _require_pods(client: KubernetesClient, namespace: str) -> list[Json]:
    pods = await _pods(client, namespace)
    if not pods:
        raise NotFound("no server runs there", hint="hai-up status; hai-up run")
    return pods


async def _pods(client: KubernetesClient, namespace: str) -> list[Json]:
    selector = f"hai/part in ({','.join(SERVERS)}),hai/platform={namespace}"
    listed = await client.list(paths.core("pods", namespace), labelSelector=selector)
    return sorted(listed["items"], key=lambda pod: str(pod["metadata"]["name"]))


async def _read(
    client: KubernetesClient,
    pod: Json,
    tail: int | None,
    positions: dict[str, str],
    *,
    follow: bool,
) -> None:
    """Lines of one pod, each after its name. `positions`: the time of the last line shown, by
    pod, from which another reader goes on."""
    name = pod["metadata"]["name"]
    place = paths.core("pods", pod["metadata"]["namespace"], name, "log")
    asked: Json = {"container": "server", "timestamps": True, "follow": follow}
    since = positions.get(name, "")
    if since:
        asked["sinceTime"] = f"{since[:19]}Z"  # whole seconds: what was shown is left out below
    elif tail is not None:
        asked["tailLines"] = tail
    rest = b""
    with suppress(NotFound, Unavailable, InvalidInput):  # gone, away, or not started yet
        async with client.stream("GET", place, params=asked, idle_seconds=_IDLE_SECONDS) as pieces:
            async for piece in pieces:
                *lines, rest = (rest + piece).split(b"\n")
                for line in lines:
                    _show_line(name, line, positions, since)


def _show_line(name: str, line: bytes, positions: dict[str, str], since: str) -> None:
    at, _, text = line.decode("utf-8", "replace").partition(" ")
    if at > since:
        positions[name] = at
        data(f"{name}: {text}")
