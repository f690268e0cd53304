"""Arrays with large documents: stored once, and bounded together with all that a user has open."""

import psutil
import psycopg
import pytest

from tests.acceptance.conftest import MakeLive
from tests.live import Live
from tests.waiting import wait_until

pytestmark = [pytest.mark.acceptance, pytest.mark.xdist_group("large_arrays")]

MIB = 2**20


def large(live: Live, name: str, size: int, array: str) -> dict[str, object]:
    return live.task(
        name=name,
        group="hollow",
        environments={"BLOB": "x" * size},
        options={"array": array, "simulate": {"seconds": 600}},
    )


def test_a_document_is_stored_once_for_all_members(make_live: MakeLive) -> None:
    """400 members of 864 KB: once in the database, and the server stays as small as it was."""
    live = make_live(hollow_nodes=2)
    assert live.process is not None
    server = psutil.Process(live.process.pid)
    with live.client() as root:
        before = server.memory_info().rss
        reply = root.post("/tasks", json=large(live, "array", 864_000, "0-399"))
        assert reply.status_code == 201, reply.text
        first = reply.json()["id"]
        live.wait(first, "running")
        listed = root.get("/tasks", params={"page_size": 500}).json()
        assert listed["total"] == 400
        assert root.get("/dashboard").status_code == 200
        for member in (first, first + 1, first + 399):
            spec = root.get(f"/tasks/{member}", params={"with_spec": True}).json()["spec"]
            assert len(spec["spec"]["environments"]["BLOB"]) == 864_000
        assert server.memory_info().rss - before < 100 * MIB
        with psycopg.connect(live.database_url) as database:
            rows = database.execute("SELECT count(*), sum(bytes) FROM documents").fetchone()
        assert rows is not None
        assert rows[0] == 1
        assert rows[1] < MIB
        assert root.post(f"/arrays/{first}/stop").status_code == 200
    wait_until(lambda: live.detail(first + 399)["state"] == "stopped", what="the end")


def test_what_is_too_much_is_refused_with_what_to_do(make_live: MakeLive) -> None:
    live = make_live(
        hollow_nodes=1,
        settings={
            "HAI_SCHEDULER__MAX_ARRAY_BYTES": str(20 * MIB),
            "HAI_SCHEDULER__MAX_UNFINISHED_TASKS": "50",
            "HAI_SCHEDULER__MAX_UNFINISHED_BYTES": str(MIB),
        },
    )
    live.add_user("alice")
    with live.client() as root, live.client("alice") as alice:
        reply = root.post("/tasks", json=large(live, "wide", 500_000, "0-49"))
        assert (reply.status_code, reply.json()["code"]) == (422, "invalid_input")
        assert "max_array_bytes" in reply.json()["hint"]
        assert root.post("/tasks", json=large(live, "fits", 500_000, "0-29")).status_code == 201
        reply = root.post("/tasks", json=large(live, "heavy", 600_000, "0-1"))
        assert (reply.status_code, reply.json()["code"]) == (429, "too_many")
        assert "max_unfinished_bytes" in reply.json()["hint"]
        reply = root.post("/tasks", json=large(live, "many", 10, "0-20"))
        assert (reply.status_code, reply.json()["code"]) == (429, "too_many")
        assert "max_unfinished_tasks" in reply.json()["hint"]
        assert root.get("/tasks").json()["total"] == 30, "a refusal changes nothing"
        assert alice.post("/tasks", json=large(live, "hers", 10, "0-20")).status_code == 201
        for index in range(20):
            one = large(live, f"one-{index}", 10, "0-0")
            assert root.post("/tasks", json=one).status_code == 201
        assert root.post("/tasks", json=large(live, "last", 10, "0-0")).status_code == 429
        first = next(
            t["id"]
            for t in root.get("/tasks?page_size=100").json()["tasks"]
            if t["name"].startswith("one-0")
        )
        assert root.post(f"/tasks/{first}/stop").status_code == 200
        wait_until(
            lambda: root.post("/tasks", json=large(live, "last", 10, "0-0")).status_code == 201,
            what="room for one more",
        )
