"""Pods as they are rendered: what runs as whom, what sees what, and where it goes."""

import base64
from dataclasses import replace
from typing import Any

from hai.core.containers import RunAs
from hai.core.mounts import HostPathType, Mount, MountKind
from hai.kubernetes.manifests import (
    AgentSource,
    LogPlace,
    PodOrder,
    Preparation,
    agent_config_map,
    pod,
    secret,
    service,
)

# capabilities that the pod security standard "baseline" allows
BASELINE = {
    *("AUDIT_WRITE", "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "MKNOD"),
    *("NET_BIND_SERVICE", "SETFCAP", "SETGID", "SETPCAP", "SETUID", "SYS_CHROOT"),
}
LOGS = Mount("hai-logs", MountKind.HOST_PATH, "/logs", "/logs")
ORDER = PodOrder(
    name="hai-7-1-0",
    service="hai-7-1",
    namespace="research",
    labels={"hai/task": "7"},
    node="node1",
    image="train:1",
    python="python3",
    agent=AgentSource(config_map="hai-agent-1"),
    account=RunAs(uid=1000, gid=100, groups=(27,)),
    preparation=Preparation(image="train:1", python="python3", as_root=True),
    logs=LogPlace(volume=LOGS, sub_path="7/1", path="/logs/7/1"),
    resources={"cpu": 1.5, "memory": 2**30, "nvidia.com/gpu": 8},
    leave_seconds=79.5,
)


def spec_of(order: PodOrder) -> dict[str, Any]:
    spec: dict[str, Any] = pod(order)["spec"]
    return spec


def worker_of(order: PodOrder) -> dict[str, Any]:
    container: dict[str, Any] = spec_of(order)["containers"][0]
    return container


def volume(order: PodOrder, name: str) -> dict[str, Any]:
    found: dict[str, Any] = next(v for v in spec_of(order)["volumes"] if v["name"] == name)
    return found


def test_pod_is_pinned_and_never_started_again() -> None:
    spec = spec_of(ORDER)
    assert spec["nodeName"] == "node1"
    assert spec["restartPolicy"] == "Never"
    assert spec["automountServiceAccountToken"] is False
    assert spec["terminationGracePeriodSeconds"] == 80
    taints = {(t.get("key", ""), t["effect"]) for t in spec["tolerations"]}
    assert ("node.kubernetes.io/unreachable", "NoExecute") in taints


def test_claims_are_bound_by_the_scheduler() -> None:
    claim = Mount("data", MountKind.PVC, "claim", "/data")
    spec = spec_of(replace(ORDER, mounts=(claim,)))
    assert "nodeName" not in spec
    terms = spec["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    assert terms["nodeSelectorTerms"][0]["matchFields"][0]["values"] == ["node1"]


def test_agent_is_root_within_baseline_and_the_program_sees_no_secret() -> None:
    for container in (*spec_of(ORDER)["containers"], *spec_of(ORDER)["initContainers"]):
        security = container["securityContext"]
        assert security["runAsUser"] == 0
        assert set(security["capabilities"]["add"]) <= BASELINE
        assert security["allowPrivilegeEscalation"] is False
    assert volume(ORDER, "hai-spec")["secret"]["defaultMode"] == 0o400
    assert "haiw_" not in str(pod(ORDER))


def test_as_the_user_nothing_is_root() -> None:
    order = replace(ORDER, account=replace(ORDER.account, as_user=True), preparation=None)
    spec = spec_of(order)
    assert spec["securityContext"]["runAsUser"] == 1000
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["supplementalGroups"] == [27]
    assert spec["initContainers"] == []
    assert worker_of(order)["securityContext"]["capabilities"]["add"] == []
    assert "runAsUser" not in worker_of(order)["securityContext"]


def test_capabilities_and_privileges_come_by_quota_alone() -> None:
    more = replace(ORDER, capabilities=frozenset({"IPC_LOCK"}))
    assert "IPC_LOCK" in worker_of(more)["securityContext"]["capabilities"]["add"]
    assert "IPC_LOCK" not in worker_of(ORDER)["securityContext"]["capabilities"]["add"]
    host = spec_of(replace(ORDER, privileges=frozenset({"host_network", "host_ipc"})))
    assert (host["hostNetwork"], host["hostIPC"]) == (True, True)
    assert "hostPID" not in host
    assert host["dnsPolicy"] == "ClusterFirstWithHostNet"
    free = replace(ORDER, privileges=frozenset({"privileged"}))
    assert worker_of(free)["securityContext"] == {"privileged": True}


def test_requests_are_limits() -> None:
    resources = worker_of(ORDER)["resources"]
    expected = {"cpu": "1500m", "memory": str(2**30), "nvidia.com/gpu": "8"}
    assert resources == {"requests": expected, "limits": expected}


def test_agent_comes_by_config_map_copy_or_volume() -> None:
    assert volume(ORDER, "hai-agent")["configMap"]["name"] == "hai-agent-1"
    step = Preparation(image="hai:1", python="python3", as_root=True)
    copy = replace(ORDER, agent=AgentSource(image="hai:1"), preparation=step)
    assert volume(copy, "hai-agent") == {"name": "hai-agent", "emptyDir": {}}
    init = spec_of(copy)["initContainers"][0]
    assert init["image"] == "hai:1"
    assert init["command"][3:] == ["/opt/hai/agent.pyz", "prepare", "/hai/spec/spec.json"]
    mounted = replace(copy, agent=AgentSource(image="hai:1", is_volume=True))
    assert volume(mounted, "hai-agent")["image"] == {"reference": "hai:1"}
    at = next(m for m in worker_of(mounted)["volumeMounts"] if m["name"] == "hai-agent")
    assert (at["mountPath"], at["subPath"]) == ("/hai/agent", "opt/hai")


def test_worker_sees_its_own_logs_and_mounts_alone() -> None:
    kind = HostPathType.DIRECTORY
    home = Mount(
        "home", MountKind.HOST_PATH, "/shared/ada", "/home/ada", True, kind, sub_path="a/b"
    )
    settings = Mount("conf", MountKind.CONFIG_MAP, "conf", "/etc/conf")
    order = replace(ORDER, mounts=(home, settings))
    at = {mount["name"]: mount for mount in worker_of(order)["volumeMounts"]}
    assert at["hai-logs"] == {"name": "hai-logs", "mountPath": "/logs/7/1", "subPath": "7/1"}
    assert at["home"] == {
        "name": "home",
        "mountPath": "/home/ada",
        "subPath": "a/b",
        "readOnly": True,
    }
    assert volume(order, "home")["hostPath"] == {"path": "/shared/ada", "type": "Directory"}
    assert volume(order, "conf")["configMap"] == {"name": "conf"}
    assert at["hai-shm"]["mountPath"] == "/dev/shm"
    assert volume(order, "hai-shm")["emptyDir"] == {"medium": "Memory"}


def test_service_shows_pods_that_are_not_ready_and_goes_with_rank_0() -> None:
    owner = {"metadata": {"name": "hai-7-1-0", "uid": "u"}}
    made = service(ORDER, {"hai/task": "7"}, owner)
    assert made["spec"]["clusterIP"] == "None"
    assert made["spec"]["publishNotReadyAddresses"] is True
    assert made["metadata"]["ownerReferences"][0]["uid"] == "u"


def test_files_of_secrets_and_the_agent_are_whole() -> None:
    made = secret("hai-7-1-0", "research", {}, {"spec.json": b"{}"})
    assert base64.b64decode(made["data"]["spec.json"]) == b"{}"
    archive = bytes(range(256))
    kept = agent_config_map("hai-agent-1", "research", {}, archive)
    assert base64.b64decode(kept["binaryData"]["agent.pyz"]) == archive
    assert kept["immutable"] is True
