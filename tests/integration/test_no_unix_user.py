"""A user whom no Unix account is known of, on a server that runs as root: a platform that was made
without root and runs as root now. Nothing of such a user may run as root."""

import os
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from hai.core.rowset import RowSet
from hai.core.task import EventDraft
from hai.server.compose import Platform
from hai.service.bootstrap import Bootstrap
from tests.integration.api import Client, document, submit, until
from tests.integration.workspaces import Project
from tests.served import Served, served
from tests.waiting import async_wait_until

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only a server that is root is asked")

WHY, NEXT = "no Unix user", "hai-cli users set {} --uid UID"


@pytest.fixture(scope="module")
def as_root() -> Iterator[Served]:
    with tempfile.TemporaryDirectory(prefix="hai-test-") as folder:
        Path(folder).chmod(0o711)
        with served(Path(folder) / "platform", {"eve": None}) as made:
            yield made


def test_no_workspace_is_roots(as_root: Served, tmp_path: Path) -> None:
    eve = Project(tmp_path)
    eve.variables = {"HAI_CONF": str(as_root.profile("eve"))}
    eve.write(code="print()")
    for words, code in ((["init", "digits"], 5), (["list"], 0)):
        done = eve.run(*words)
        assert done.returncode == code, (words, done.stdout + done.stderr)
        assert WHY in done.stderr
        assert NEXT.format("eve") in done.stderr
    with as_root.client("eve") as client:
        asked = [
            client.get("/workspaces"),
            client.get("/workspaces/digits/tree"),
            client.put("/workspaces/digits/chunks", content=b""),
            client.delete("/workspaces/digits"),
        ]
    assert [reply.status_code for reply in asked] == [403] * 4
    assert not as_root.home("eve").parent.exists(), "what is refused makes no folder"


async def _set_uid(platform: Platform, name: str, uid: int | None) -> None:
    """As the rows of another platform may say it: no request can."""
    user = next(one for one in await platform.store.users() if one.name == name)
    event = EventDraft(kind="user.changed", actor="test", at=0.0)
    await platform.store.put_rows(RowSet(users=(replace(user, uid=uid),)), event)


async def test_no_task_is_roots(platform: Platform, admin: Client, alice: Client) -> None:
    """Neither one that is submitted now, nor one that waits since she was somebody."""
    made = Bootstrap(platform.store, platform.services.users, platform.services.clock)
    quota = {"user": "*", "resource": "node-real-NORMAL", "nodes": 1}
    node = {"name": "here", "group": "real", "launcher": "local"}
    await made.apply({"groups": [{"name": "real"}], "nodes": [node], "quotas": [quota]})
    assert (await admin.post("/api/v1/nodes/here/cordon", json={})).status_code == 200
    wanted = document("work", resource={"group": "real", "node_count": 1})
    waiting = (await alice.post("/api/v1/tasks", json=wanted)).json()["id"]
    await _set_uid(platform, "alice", None)

    async def is_known() -> bool:
        user = (await alice.get("/api/v1/whoami")).json()["user"]
        return user["uid"] is None

    await async_wait_until(is_known, what="who she is now")
    refused = await alice.post("/api/v1/tasks", json={**wanted, "name": "more"})
    assert (refused.status_code, refused.json()["code"]) == (403, "denied")
    assert WHY in refused.json()["message"]
    assert NEXT.format("alice") in refused.json()["hint"]
    assert await submit(alice, "pretended"), "a simulated node runs nothing"
    assert (await admin.post("/api/v1/nodes/here/resume", json={})).status_code == 200
    ended = await until(alice, waiting, "failed", "succeeded")
    assert ended["state"] == "failed"
    assert WHY in str(ended)
    assert await platform.launchers["local"].observe() == []
