"""What a running platform says of itself, asked inside one of its own pods: from here nobody knows
a way to its API."""

import asyncio
import io
import json
from typing import Any

from hai.errors import HaiError, Unavailable
from hai.kubernetes.client import KubernetesClient
from hai.kubernetes.exec import Pod, run_in_pod
from hai_up.checks import WARN, Check, logs_of
from hai_up.cluster.options import ClusterOptions
from hai_up.cluster.roles import answers_users
from hai_up.providers.kubernetes.apply import ours
from hai_up.providers.kubernetes.place import known_secrets
from hai_up.providers.kubernetes.transfer import running
from hai_up.providers.kubernetes.wait import pods_of
from hai_up.status import facts_of_platform

Json = dict[str, Any]

ASK_SECONDS = 15.0  # a program has to start, on a node that may be busy
# The token comes by standard input: a command line can be seen by many.
_ASK = """
import http.client, sys
link = http.client.HTTPConnection("127.0.0.1", 7420, timeout=10)
link.request("GET", "/api/v1/platform", headers={"Authorization": "Bearer " + sys.stdin.read()})
reply = link.getresponse()
sys.stdout.write(reply.read().decode())
sys.exit(reply.status != 200)
"""


async def told_of_platform(client: KubernetesClient, namespace: str) -> Json | None:
    """As /api/v1/platform says; None: no server runs that answers users. HaiError: it cannot be
    asked."""
    pod = await _server(client, namespace)
    secrets = await known_secrets(client, namespace)
    if pod is None or secrets is None:
        return None
    out, token = io.BytesIO(), io.BytesIO(secrets.admin_token.encode())
    command = ["python3", "-I", "-c", _ASK]
    try:
        ended = await asyncio.wait_for(run_in_pod(client, pod, command, out, token), ASK_SECONDS)
        told: Json = {} if ended.code else json.loads(out.getvalue())
    except TimeoutError:
        why = f"pod {pod.name} has not answered within {ASK_SECONDS:.0f} s"
        raise Unavailable(why, hint="hai-up logs") from None
    except ValueError:
        told = {}
    if not told:
        raise Unavailable(f"the server in pod {pod.name} does not answer", hint="hai-up logs")
    return told


async def _server(client: KubernetesClient, namespace: str) -> Pod | None:
    for item in await ours(client, "Deployment", namespace):
        if answers_users(item["metadata"]["name"]):
            found = [running(pod) for pod in await pods_of(client, item)]
            return next((pod for pod in found if pod is not None), None)
    return None


async def logs_check(client: KubernetesClient, options: ClusterOptions) -> Check:
    """Whether the running platform still writes the logs of its tasks."""
    try:
        told = await told_of_platform(client, options.platform_namespace)
    except HaiError as error:
        return Check("logs", WARN, error.message, error.hint or "hai-up status")
    return logs_of(told)


async def platform_facts(client: KubernetesClient, namespace: str) -> Json:
    """What status shows of it; nothing while it cannot be asked, of which its parts say why."""
    try:
        told = await told_of_platform(client, namespace)
    except HaiError:
        return {}
    return {} if told is None else facts_of_platform(told)
