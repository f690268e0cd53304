"""Images, mounts and allowances over the live API, and what a worker's launch carries of them."""

from collections.abc import Sequence
from typing import Any

import pytest
from httpx2 import Response

from hai.core.images import Image
from hai.core.mounts import HostPathType, Mount, MountKind
from hai.core.node import Node
from hai.core.task import WorkerKey
from hai.core.types import GroupName, NodeName
from hai.ports import Observation, WorkerLaunch
from hai.server.compose import Platform
from tests.integration.api import Client, document, submit
from tests.waiting import async_wait_until

API = "/api/v1"


class Noting:
    """A launcher with containers that starts nothing and keeps what it was asked for."""

    name = "kubernetes"
    takes_images = True
    runs_programs = True

    def __init__(self) -> None:
        self.launches: list[WorkerLaunch] = []

    async def open(self) -> None: ...

    async def close(self) -> None: ...

    async def launch(self, worker: WorkerLaunch) -> None:
        self.launches.append(worker)

    async def kill(self, key: WorkerKey) -> None: ...

    async def observe(self) -> Sequence[Observation]:
        return []

    async def forget(self, key: WorkerKey) -> None: ...


async def put(client: Client, what: str, **body: Any) -> dict[str, Any]:
    reply = await client.put(f"{API}/{what}", json=body)
    assert reply.status_code == 200, reply.text
    answer: dict[str, Any] = reply.json()
    return answer


async def add_bob(admin: Client) -> None:
    """Somebody else, of a team and a group."""
    body = {"name": "bob", "uid": 12346, "team": "vision", "groups": ["ops"]}
    assert (await admin.post(f"{API}/users", json=body)).status_code == 201


async def names(client: Client, what: str, **params: str) -> list[str]:
    reply = await client.get(f"{API}/{what}", params=params)
    assert reply.status_code == 200, reply.text
    return [one["name"] for one in reply.json()[what]]


async def test_users_see_what_they_may_use_the_default_first(admin: Client, alice: Client) -> None:
    await add_bob(admin)
    await put(admin, "images", name="base", ref="r.example/base:1")
    await put(admin, "images", name="torch", ref="r.example/torch:2", owners=["alice"], rank=5)
    await put(admin, "images", name="secret", ref="r.example/s:1", owners=["bob"])
    assert await names(alice, "images") == ["torch", "base"]
    assert await names(admin, "images") == ["base"]
    assert await names(alice, "images", all="true") == ["base", "secret", "torch"]
    found = (await alice.get(f"{API}/images")).json()["images"]
    assert [(one["owners"], one["default"]) for one in found] == [
        (["alice"], True),
        (["public"], False),
    ]


async def test_a_removed_image_is_gone_with_its_allowances(admin: Client, alice: Client) -> None:
    await put(admin, "images", name="base", ref="r.example/base:1")
    assert (await admin.delete(f"{API}/images/base")).status_code == 204
    assert await names(alice, "images", all="true") == []
    assert (await admin.delete(f"{API}/images/base")).status_code == 404
    rows = (await admin.get(f"{API}/allowances", params={"user": "all"})).json()["allowances"]
    assert rows == []


async def test_mounts_are_added_listed_and_removed(
    platform: Platform, admin: Client, alice: Client
) -> None:
    await add_bob(admin)
    row = await put(
        admin, "mounts", source="/nfs/{user.user_name}", mount_path="/w", type="Directory"
    )
    again = await put(
        admin, "mounts", source="/nfs/{user.user_name}", mount_path="/w", type="Directory"
    )
    assert row == again
    await put(
        admin, "mounts", name="pv", source="claim", mount_path="/d", type="PVC", owners=["ops"]
    )
    assert await names(alice, "mounts") == [row["name"]]
    assert await names(alice, "mounts", all="true") == ["pv", row["name"]]
    assert (await admin.delete(f"{API}/mounts/pv")).status_code == 204
    assert await names(alice, "mounts", all="true") == [row["name"]]
    kinds = [event.draft.kind for event in await platform.store.events(0)]
    assert kinds.count("mount.put") == 3
    assert "mount.removed" in kinds


@pytest.mark.parametrize(
    "body",
    [
        {"source": "/a/../etc", "mount_path": "/w"},
        {"source": "/a", "mount_path": "/w/../../etc"},
        {"source": "a", "mount_path": "/w"},
        {"source": "/a", "mount_path": "w"},
        {"source": "/a", "mount_path": "/"},
        {"source": "/a", "mount_path": "//proc//self"},
        {"source": "/a", "mount_path": "/hai/agent"},
        {"source": "/{user.token}", "mount_path": "/w"},
        {"source": "/{user.__class__}", "mount_path": "/w"},
        {"source": "/{user.user_name", "mount_path": "/w"},
        {"source": "/a\n/b", "mount_path": "/w"},
        {"source": "/a:/b", "mount_path": "/w"},
        {"source": "/a", "mount_path": "/w", "type": "Symlink"},
        {"source": "a b", "mount_path": "/w", "type": "pvc"},
        {"source": "a", "sub_path": "../x", "mount_path": "/w", "type": "pvc"},
        {"source": "/a", "mount_path": "/w", "name": "A_b"},
        {"source": "/a", "mount_path": "/w", "owners": [""]},
        {"source": "/a", "mount_path": "/w", "owners": []},
        {"source": "/a", "mount_path": "/w", "conditions": ["__import__('os').system('x')"]},
        {"source": "/a", "mount_path": "/w", "conditions": ["{task.id} == 1 or 2"]},
        {"source": "/a", "mount_path": "/w", "surprise": 1},
    ],
)
async def test_a_row_that_makes_no_sense_is_refused_and_changes_nothing(
    admin: Client, body: dict[str, Any]
) -> None:
    reply = await admin.put(f"{API}/mounts", json=body)
    assert reply.status_code == 422, reply.text
    assert await names(admin, "mounts", all="true") == []


@pytest.mark.parametrize(
    "body",
    [
        {"name": "a b", "ref": "x"},
        {"name": "", "ref": "x"},
        {"name": "a", "ref": ""},
        {"name": "a", "ref": "x y"},
        {"name": "a", "ref": "x;rm"},
        {"name": "a", "ref": "x", "variables": {"A-B": "1"}},
        {"name": "a", "ref": "x", "variables": {"A": "\0"}},
        {"name": "a", "ref": "x", "python": "/usr/bin/python3; id"},
        {"name": "a", "ref": "x", "rank": 0},
        {"name": "a", "ref": "x", "owners": []},
    ],
)
async def test_an_image_that_makes_no_sense_is_refused(admin: Client, body: dict[str, Any]) -> None:
    assert (await admin.put(f"{API}/images", json=body)).status_code == 422
    assert await names(admin, "images", all="true") == []


async def test_only_admins_write_rows(alice: Client) -> None:
    bodies: dict[str, dict[str, Any]] = {
        "images": {"name": "a", "ref": "x"},
        "mounts": {"source": "/a", "mount_path": "/w"},
        "allowances": {"allowances": [{"owner": "alice", "resource": "privileged"}]},
    }
    for what, body in bodies.items():
        assert (await alice.put(f"{API}/{what}", json=body)).status_code == 403
    assert (await alice.delete(f"{API}/images/a")).status_code == 403
    assert (await alice.delete(f"{API}/mounts/a")).status_code == 403
    assert (await alice.get(f"{API}/allowances", params={"user": "all"})).status_code == 403
    assert (await alice.get(f"{API}/allowances", params={"user": "root"})).status_code == 403


async def test_own_allowances_win_over_those_of_groups(admin: Client, alice: Client) -> None:
    rows = [
        {"owner": "public", "resource": "cap:IPC_LOCK", "amount": 1},
        {"owner": "public", "resource": "train_environment:${user_name}_env", "amount": 2},
        {"owner": "alice", "resource": "privileged", "amount": 1},
        {"owner": "alice", "resource": "cap:IPC_LOCK", "amount": 0},
    ]
    await put(admin, "allowances", allowances=rows)
    mine = (await alice.get(f"{API}/allowances")).json()["allowances"]
    assert {(one["resource"], one["amount"]) for one in mine} == {
        ("train_environment:alice_env", 2),
        ("privileged", 1),
    }


async def test_a_worker_is_given_its_rows(platform: Platform, admin: Client, alice: Client) -> None:
    """A task of alice on a node with containers: image, mounts, groups and capabilities."""
    await add_bob(admin)
    noting = Noting()
    launchers: Any = platform.launchers
    launchers["kubernetes"] = noting
    node = Node(NodeName("pod-1"), GroupName("hollow"), "kubernetes")
    await platform.store.remove_nodes([NodeName(f"hollow-{i}") for i in range(4)])
    await platform.store.put_nodes([node])
    await put(admin, "images", name="base", ref="r.example/base:1", variables={"A": "1"})
    await put(admin, "images", name="theirs", ref="r.example/x:1", owners=["vision"])
    for image, why in (("bse", "not known; usable: base"), ("theirs", "not open to this user")):
        wanted = document("refused", resource={"group": "hollow", "image": image})
        refused = await alice.post(f"{API}/tasks", json=wanted)
        assert refused.status_code == 422
        assert why in refused.text
    await put(
        admin,
        "mounts",
        name="home",
        source="/nfs/{user.user_name}/{task.id}",
        mount_path="/home/{user.user_name}",
        type="DirectoryOrCreate",
    )
    await put(
        admin,
        "mounts",
        name="conf",
        source="conf",
        sub_path="k",
        mount_path="/home/alice/etc/x.conf",
        type="configmap",
        read_only=True,
        conditions=["'{task.group}' == 'hollow'"],
    )
    await put(admin, "mounts", source="/x", mount_path="/x", conditions=["{task.nodes} > 1"])
    rows = [
        {"owner": "alice", "resource": "cap:IPC_LOCK"},
        {"owner": "public", "resource": "host_network"},
        {"owner": "public", "resource": "vision:x:3003"},
        {"owner": "public", "resource": "audio:x:3001"},
    ]
    await put(admin, "allowances", allowances=rows)
    task_id = await submit(alice, "given")
    await async_wait_until(lambda: noting.launches, what="the launch")
    launch = noting.launches[0]
    assert launch.uid == 12345
    assert launch.image == Image("base", "r.example/base:1", {"A": "1"})
    assert launch.mounts == (
        Mount(
            "home",
            MountKind.HOST_PATH,
            f"/nfs/alice/{task_id}",
            "/home/alice",
            host_path_type=HostPathType.DIRECTORY_OR_CREATE,
        ),
        Mount("conf", MountKind.CONFIG_MAP, "conf", "/home/alice/etc/x.conf", True, sub_path="k"),
    )
    assert launch.groups == (3001, 3003)
    assert launch.capabilities == {"IPC_LOCK"}
    assert launch.privileges == {"host_network"}


async def test_a_row_says_who_may_have_services_of_their_own(admin: Client, alice: Client) -> None:
    service = {"name": "cache", "type": "tcp", "port": 6379}
    names = iter(range(10_000))

    async def answer(*services: dict[str, Any]) -> Response:
        body = document(f"task-{next(names)}", services=list(services))
        return await alice.post(f"{API}/tasks", json=body)

    async def becomes(status: int) -> Response:
        """Rows count two seconds after they were written, at the latest."""

        replies: list[Response] = []

        async def is_so() -> bool:
            replies.append(await answer({"name": "jupyter"}, service))
            return replies[-1].status_code == status

        await async_wait_until(is_so, what=f"an answer {status}")
        return replies[-1]

    assert (await answer(service)).status_code == 201, "without a row nobody is refused"
    row = {"owner": "public", "resource": "custom_service:tcp:*", "amount": 0}
    await put(admin, "allowances", allowances=[row])
    refused = (await becomes(403)).json()
    assert "alice may not have the tcp service cache at port 6379" in refused["message"]
    assert "quota set alice 'custom_service:tcp:6379=1'" in refused["hint"]
    assert (await answer({"name": "jupyter"}, {"name": "ssh"})).status_code == 201
    row = {"owner": "alice", "resource": "custom_service:tcp:6379", "amount": 1}
    await put(admin, "allowances", allowances=[row])
    await becomes(201)
