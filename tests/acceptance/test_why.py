"""`hai-cli why` of a waiting, a suspended and a running task, as people read it."""

import json
import re

import pytest

from tests.acceptance.conftest import MakeLive
from tests.acceptance.person import Person
from tests.waiting import wait_until

pytestmark = pytest.mark.acceptance


def said(hai: Person, task: str, *wanted: str) -> str:
    """What `why` says, once the scheduler has seen all that is wanted."""

    def ask() -> str | None:
        done = hai("why", task)
        assert done.code == 0, done.err
        return done.out if all(word in done.out for word in wanted) else None

    return wait_until(ask, 60, what=f"{wanted} of task {task}") or ""


def test_waiting_suspended_running_and_ended(make_live: MakeLive) -> None:
    live = make_live(nodes=1, hollow_nodes=4)
    live.add_user("bob")
    hai, bob = Person(live), Person(live, "bob")
    holder = hai.hollow("holder", 1000, "-n", "3", "-p", "NORMAL")
    live.wait(holder, "running")
    wide = bob.hollow("wide", 1000, "-n", "4", "-p", "NORMAL")

    waiting = said(bob, "wide", "holds 3 nodes", "place 1")
    assert waiting.startswith(f"task {wide} waits for 4 nodes: 1 of 4 in hollow is free")
    assert f"task {holder} holder of root holds 3 nodes, safe for" in waiting
    assert "with 1 node (submitted anew) it starts now on hollow-3" in waiting
    assert re.search(
        rf"at priority HIGH it starts on 4 nodes once task {holder} holder of root \(loses", waiting
    )
    assert re.search(r"estimated start: within 3\d min \(by slices at the latest", waiting)
    view = json.loads(bob("why", "wide", "-o", "json").out)
    assert view["reason"]["code"] == "no_free_nodes"
    assert view["task_id"] == wide

    pretended = bob("priority", "wide", "HIGH", "--dry-run")
    assert pretended.code == 0, pretended.err
    assert f"once task {holder} holder of root (loses" in pretended.err
    assert live.detail(wide)["priority"] == "NORMAL"
    words = ("--", "-g", "hollow", "-n", "1", "-p", "NORMAL", "--dry-run")
    small = bob("python", "hollow.py", *words)
    assert small.code == 0, small.err
    assert "the task starts now as backfill on hollow-3" in small.err, "behind wide, for as long"
    small = hai("python", "hollow.py", *words)
    assert small.code == 0, small.err
    assert "the task starts now as backfill on hollow-3" in small.err

    assert bob("priority", "wide", "HIGH").code == 0
    live.wait(wide, "running")
    live.wait(holder, "suspended")
    running = said(bob, "wide", "safe from its equals")
    assert running.startswith(f"task {wide} runs on 4 nodes at HIGH, safe from its equals for")
    suspended = said(hai, "holder", "place 1")
    assert f"its nodes went to task {wide} wide of bob" in suspended
    assert "it saved before it left, so no work is lost" in suspended

    assert bob("stop", "wide").code == 0
    live.wait(wide, "stopped")
    assert said(bob, str(wide)).startswith(f"task {wide} was stopped")
    accuracy = json.loads(hai("why", "--accuracy", "-o", "json").out)
    assert accuracy["given"] >= 1
