"""The live platform under an hour of load: 500 hollow nodes, 5,000 tasks, a clock that runs fast.

Its own ledger is the witness: every start, suspension and end, in the order of their commits. And
its journal decides the same again.
"""

import json
import os
import time
from typing import Any

import httpx2
import pytest

from tests.acceptance.conftest import MakeLive
from tests.acceptance.hour import LEVELS, USERS, Arrival, Ledger, arrivals, full_house
from tests.acceptance.person import Person
from tests.live import Live
from tests.waiting import wait_until

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(900)]

NODES = 500
TASKS = 5000 if os.environ.get("HAI_TEST_HOUR") else 1500
HOUR = 3600.0 * TASKS / 5000
SPEED = 40.0
SLICE = 300.0
QUOTA = 300


def settings() -> dict[str, str]:
    return {
        "HAI_SERVER__CLOCK_SPEED": str(SPEED),
        "HAI_SCHEDULER__SLICE_SECONDS": str(SLICE),
        "HAI_SCHEDULER__PATIENCE_SECONDS": str(SLICE),
        # the handshake crosses real processes' time: give it as much as at normal speed
        "HAI_SUSPEND__NOTICE_SECONDS": str(5 * SPEED),
        "HAI_SUSPEND__TERM_SECONDS": str(5 * SPEED),
        "HAI_AGENT__START_TIMEOUT_SECONDS": str(60 * SPEED),
        "HAI_AGENT__HEARTBEAT_SECONDS": str(10 * SPEED),
        "HAI_AGENT__LOST_AFTER_SECONDS": str(300 * SPEED),
    }


def prepare(live: Live) -> None:
    for user in USERS:
        live.add_user(user)
    rows = [
        {"user": "*", "resource": f"node-hollow-{level}", "nodes": QUOTA} for level in set(LEVELS)
    ]
    with live.client() as admin:
        assert admin.put("/quotas", json={"quotas": rows}).status_code == 200


def submit_all(live: Live, load: list[Arrival]) -> list[int]:
    """Each at its time, as far as this machine keeps up."""
    clients = {user: live.client(user) for user in USERS}
    began = time.monotonic()
    ids = []
    for arrival in load:
        delay = began + arrival.after_seconds / SPEED - time.monotonic()
        if delay > 0:
            time.sleep(delay)  # the load's own pace: nothing is waited for
        document = live.task(
            name=arrival.name,
            group="hollow",
            nodes=arrival.nodes,
            priority=arrival.level,
            options={"simulate": {"seconds": arrival.seconds, "save_seconds": 5.0}},
        )
        reply = clients[arrival.user].post("/tasks", json=document)
        assert reply.status_code == 201, reply.text
        ids.append(int(reply.json()["id"]))
    for client in clients.values():
        client.close()
    return ids


def count(client: httpx2.Client, *states: str) -> int:
    reply = client.get("/tasks", params={"user": "all", "state": states, "page_size": 1})
    return int(reply.json()["total"])


def unfinished(client: httpx2.Client) -> int:
    return count(client, "queued", "starting", "running", "suspending", "suspended", "stopping")


def ledger_lines(live: Live) -> list[dict[str, Any]]:
    with live.client() as admin:
        reply = admin.get("/events", timeout=120)
    lines = [line[6:] for line in reply.text.splitlines() if line.startswith("data: ")]
    return [event for event in map(json.loads, lines) if "kind" in event]


def test_an_hour_of_load_keeps_every_promise(make_live: MakeLive) -> None:
    live = make_live(nodes=0, hollow_nodes=NODES, settings=settings())
    prepare(live)
    *holders, urgent = full_house(NODES, seconds=HOUR)
    ids = submit_all(live, holders)
    with live.client() as admin:
        # However slow the machine: the load finds every node held, and somebody must yield.
        wait_until(lambda: count(admin, "running") == len(holders), 60, what="a full cluster")
        ids += submit_all(live, [urgent, *arrivals(TASKS, HOUR, seed=7)])
        wait_until(lambda: unfinished(admin) == 0, 600, what="the end of all tasks")

    ledger = Ledger(quota=QUOTA, slice_seconds=SLICE)
    ledger.walk(ledger_lines(live))
    assert not ledger.running
    assert ledger.ended == dict.fromkeys(ids, "succeeded")  # each once, nobody lost
    assert not ledger.waits_for_start  # nobody left for nothing
    assert ledger.suspensions
    assert ledger.busiest == NODES

    check_replay(live)


def check_replay(live: Live) -> None:
    """Today's code decides every tick as it was decided."""
    done = Person(live)("sim", "replay", "--from", "1d", "-o", "json")
    assert done.code == 0, done.err + done.out[-3000:]
    assert json.loads(done.out) == []
    ticks = int(done.err.split(" ticks decided again")[0].rsplit(maxsplit=1)[-1])
    assert ticks > 100
