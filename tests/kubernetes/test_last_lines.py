"""What hai-up says of a program in a pod that ends each time it is started."""

import json

from hai.kubernetes import paths
from hai.kubernetes.client import KubernetesClient
from hai_up.providers.kubernetes.wait import last_lines, pods_say
from tests.kubernetes.testbed import Cluster
from tests.waiting import async_wait_until, wait_until

_LABELS = {"hai/part": "restless", "hai/platform": "tested"}
# The second time it runs on in silence, as for the moment before a program fails again.
_ONCE = "[ ! -e /kept/mark ] || sleep 600; touch /kept/mark; echo its last words; exit 3"


async def test_who_was_just_started_again_is_heard(
    client: KubernetesClient, cluster: Cluster, namespace: str
) -> None:
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "restless", "labels": _LABELS},
        "spec": {
            "terminationGracePeriodSeconds": 1,
            "automountServiceAccountToken": False,  # there is none in the first moments
            "containers": [
                {
                    "name": "server",
                    "image": cluster.image,
                    "imagePullPolicy": "IfNotPresent",
                    "command": ["bash", "-c", _ONCE],
                    "readinessProbe": {"exec": {"command": ["false"]}},
                    "volumeMounts": [{"name": "kept", "mountPath": "/kept"}],
                }
            ],
            "volumes": [{"name": "kept", "emptyDir": {}}],
        },
    }
    account = paths.core("serviceaccounts", namespace, "default")
    await async_wait_until(lambda: client.get_or_none(account), what="a service account")
    await client.create(paths.core("pods", namespace), pod)

    def runs_again() -> bool:
        text = cluster.kubectl("-n", namespace, "get", "pod", "restless", "-o", "json")
        statuses = json.loads(text)["status"].get("containerStatuses") or ()
        return any(one["restartCount"] == 1 and one["state"].get("running") for one in statuses)

    wait_until(runs_again, 240, what="the program runs again")
    metadata = {"namespace": namespace}
    workload = {"metadata": metadata, "spec": {"template": {"metadata": {"labels": _LABELS}}}}
    assert await last_lines(client, workload) == ["its last words"]
    said = await pods_say(client, workload)
    assert "server: Error, exit code 3; it was started again" in said
