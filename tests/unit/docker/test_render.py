"""The container of one worker, as the engine is asked for it."""

import io
import tarfile
from dataclasses import replace

import pytest

from hai.core.containers import AGENT_CAPABILITIES, RunAs
from hai.core.mounts import HostPathType, Mount, MountKind
from hai.docker.render import SPEC, WORKER_DIR, ContainerOrder, container, files, network
from hai.errors import PlatformError

_ORDER = ContainerOrder(
    name="hai-p-7-1-0",
    labels={"hai.task": "7"},
    image="train:1",
    python="/opt/bin/python",
    agent="/data/agent.pyz",
    account=RunAs(uid=1000, gid=100, groups=(27, 44)),
    log_dir="/logs/7/1",
    log_source="/nfs/logs/7/1",
    network="hai-p-7-1",
    cpus=1.5,
    memory_bytes=2**30,
    pids=100,
    log_bytes=4096,
    leave_seconds=79.5,
    variables={"NCCL_DEBUG": "INFO"},
)
_AS_USER = replace(_ORDER, account=RunAs(uid=1000, gid=100, groups=(27, 44), as_user=True))


def test_what_bounds_a_container() -> None:
    body = container(_ORDER)
    host = body["HostConfig"]
    assert (host["NanoCpus"], host["Memory"], host["MemorySwap"]) == (1_500_000_000, 2**30, 2**30)
    assert (host["ShmSize"], host["PidsLimit"]) == (2**30, 100)
    assert host["LogConfig"] == {
        "Type": "json-file",
        "Config": {"max-size": "4096", "max-file": "1"},
    }
    assert (host["NetworkMode"], host["RestartPolicy"]) == ("hai-p-7-1", {"Name": "no"})
    assert body["NetworkingConfig"] == {"EndpointsConfig": {"hai-p-7-1": {}}}
    assert body["StopTimeout"] == 80
    assert body["Healthcheck"] == {"Test": ["NONE"]}
    assert body["Entrypoint"][0] == "/opt/bin/python"


def test_a_trusted_image_starts_as_root_with_what_an_agent_needs() -> None:
    body = container(_ORDER)
    host = body["HostConfig"]
    assert body["User"] == "0:0"
    assert host["CapDrop"] == ["ALL"]
    assert host["CapAdd"] == sorted(AGENT_CAPABILITIES)
    assert host["SecurityOpt"] == ["no-new-privileges"]
    assert "Privileged" not in host
    given = container(replace(_ORDER, capabilities=frozenset({"IPC_LOCK"})))
    assert "IPC_LOCK" in given["HostConfig"]["CapAdd"]


def test_a_users_own_image_runs_nothing_as_root() -> None:
    body = container(_AS_USER)
    assert body["User"] == "1000:100"
    assert body["HostConfig"]["CapAdd"] == []
    assert body["HostConfig"]["GroupAdd"] == ["27", "44"]


def test_privileges_come_by_quota_alone() -> None:
    names = frozenset({"host_ipc", "host_pid"})
    host = container(replace(_ORDER, privileges=names))["HostConfig"]
    assert (host["IpcMode"], host["PidMode"]) == ("host", "host")
    assert "ShmSize" not in host
    privileged = replace(_ORDER, privileges=frozenset({"privileged"}))
    assert container(privileged)["HostConfig"]["Privileged"] is True
    on_host = container(replace(_ORDER, network="host"))
    assert on_host["HostConfig"]["NetworkMode"] == "host"
    assert "NetworkingConfig" not in on_host


def test_gpus_are_asked_for_by_number_and_hidden_without() -> None:
    with_gpus = container(replace(_ORDER, gpus=(4, 5)))
    assert with_gpus["HostConfig"]["DeviceRequests"] == [
        {"Driver": "", "DeviceIDs": ["4", "5"], "Capabilities": [["gpu"]]}
    ]
    assert with_gpus["Env"] == ["NCCL_DEBUG=INFO"]
    without = container(_ORDER)
    assert without["HostConfig"]["DeviceRequests"] == []
    assert without["Env"] == ["NCCL_DEBUG=INFO", "NVIDIA_VISIBLE_DEVICES=void"]


def test_mounts() -> None:
    mounts = (
        Mount("data", MountKind.HOST_PATH, "/nfs", "/data", True, sub_path="a/b"),
        Mount(
            "home",
            MountKind.HOST_PATH,
            "/home/ada",
            "/root",
            host_path_type=HostPathType.DIRECTORY_OR_CREATE,
        ),
    )
    host = container(replace(_ORDER, mounts=mounts))["HostConfig"]
    assert host["Binds"] == ["/home/ada:/root:rw"]
    assert [(one["Source"], one["Target"], one["ReadOnly"]) for one in host["Mounts"]] == [
        ("/nfs/a/b", "/data", True),
        ("/data/agent.pyz", "/hai/agent/agent.pyz", True),
        ("/nfs/logs/7/1", "/logs/7/1", False),
    ]


@pytest.mark.parametrize("kind", [MountKind.PVC, MountKind.CONFIG_MAP])
def test_what_only_a_cluster_has_is_an_error(kind: MountKind) -> None:
    order = replace(_ORDER, mounts=(Mount("claim", kind, "claim", "/claim"),))
    with pytest.raises(PlatformError, match=f"claim is a {kind.value} of Kubernetes"):
        container(order)


def test_a_colon_would_change_what_a_bind_means() -> None:
    kind = HostPathType.DIRECTORY_OR_CREATE
    mount = Mount("odd", MountKind.HOST_PATH, "/a:b", "/c", host_path_type=kind)
    with pytest.raises(PlatformError, match="colon"):
        container(replace(_ORDER, mounts=(mount,)))


@pytest.mark.parametrize(("order", "owner"), [(_ORDER, (0, 0)), (_AS_USER, (1000, 100))])
def test_the_spec_is_for_the_agents_eyes(order: ContainerOrder, owner: tuple[int, int]) -> None:
    with tarfile.open(fileobj=io.BytesIO(files(b"token", order.account))) as archive:
        members = {f"/{one.name}": one for one in archive.getmembers()}
        assert archive.extractfile(members[SPEC].name) is not None
    assert members[SPEC].mode == 0o600
    assert members["/hai/spec"].mode == 0o700
    assert members[WORKER_DIR].mode == 0o711
    assert {(one.uid, one.gid) for one in members.values()} == {owner}


def test_a_network_is_a_bridge_with_our_labels() -> None:
    made = network("hai-p-7-1", {"hai.platform": "p"})
    assert (made["Driver"], made["Labels"]) == ("bridge", {"hai.platform": "p"})
