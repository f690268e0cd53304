"""What must hold at the end, seen from outside: by locks, marks, processes and the public API."""

import json
import time
from collections import defaultdict
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import httpx2

from scripts.chaos_driver.load import UNFINISHED, Asked, Load, Query
from scripts.chaos_driver.programs import Mark, held_locks, read_marks
from scripts.chaos_driver.site import LocalSite
from scripts.chaos_driver.waiting import wait_for

STILL_SECONDS = 240.0  # nothing changes for so long: it is stuck
QUIET_SECONDS = 90.0  # for processes and nodes after the last task
ENDS = ("task.succeeded", "task.failed", "task.stopped")


def page_through(client: httpx2.Client, *states: str) -> list[dict[str, Any]]:
    """Everybody's tasks in these states (all of them: none given)."""
    tasks: list[dict[str, Any]] = []
    for page in range(1, 10_000):
        query: Query = {"user": "all", "state": states, "page": page, "page_size": 100}
        found = client.get("/tasks", params=query).raise_for_status().json()["tasks"]
        tasks += found
        if len(found) < 100:
            break
    return tasks


def wait_for_the_end(site: LocalSite) -> Iterator[str]:
    """Until no task is unfinished; what stands still when nothing changes any more."""
    seen, since = "", time.monotonic()
    with site.client() as client:
        while True:
            try:
                rows = page_through(client, *UNFINISHED)
            except httpx2.HTTPError:
                rows = [{"id": 0, "state": "the platform does not answer", "attempts": 0}]
            if not rows:
                return
            now = json.dumps([[row["id"], row["state"], row["attempts"]] for row in rows])
            if now != seen:
                seen, since = now, time.monotonic()
            if time.monotonic() - since > STILL_SECONDS:
                for row in rows:
                    yield f"task {row['id']} stands still: {row['state']}: {row.get('why')}"
                return
            wait_for(lambda: False, 0.5)


def check(site: LocalSite, load: Load) -> Iterator[str]:
    """Every promise that was not kept, in words."""
    yield from wait_for_the_end(site)
    yield from (f"a right submission was refused: {text}" for text in load.refused)
    with site.client() as client:
        rows = {row["id"]: row for row in page_through(client)}
        if set(rows) != set(load.asked):
            lost, more = sorted(set(load.asked) - set(rows)), sorted(set(rows) - set(load.asked))
            yield f"accepted but not there: {lost}; there but not accepted: {more}"
        marks: dict[int, list[Mark]] = defaultdict(list)
        for mark in read_marks(site.work):
            marks[mark.task].append(mark)
        for task_id in sorted(set(rows) & set(load.asked)):
            yield from check_task(load.asked[task_id], rows[task_id], marks[task_id])
            events = client.get(f"/tasks/{task_id}/events").json()["events"]
            ends = [event["kind"] for event in events if event["kind"] in ENDS]
            if len(ends) != 1:
                yield f"task {task_id} ended {len(ends)} times: {ends}"
        yield from check_rest(site, client)
    yield from check_replay(site)


def check_task(asked: Asked, row: dict[str, Any], marks: list[Mark]) -> Iterator[str]:
    """Its end, and what its programs saw."""
    name = f"task {asked.id} ({asked.kind})"
    found = (row["state"], row["exit_code"])
    ends = {state for state, code in asked.allowed if code is None}
    if found not in asked.allowed and row["state"] not in ends:
        allowed = sorted(asked.allowed, key=str)
        how = f"in {row['attempts']} attempts: {row['why']}"
        yield f"{name} ended as {found}, not as {allowed}, {how}"
    for mark in marks:
        where = f"{name}, attempt {mark.attempt}, rank {mark.rank}"
        if mark.starts > 1:
            yield f"{where}: was started {mark.starts} times"
        for holder in mark.overlaps:
            yield f"{where}: {holder or 'somebody'} was still on its node"
        for holder in () if asked.was_cut_off else mark.twice:
            yield f"{where}: {holder or 'another attempt'} still ran"
    yield from (f"{name}: {text}" for text in ran_together(marks))
    if row["state"] == "succeeded":
        last = [mark for mark in marks if mark.attempt == max(m.attempt for m in marks)]
        good = {mark.rank for mark in last if mark.ends == (0,)}
        if good != set(range(asked.nodes)):
            yield f"{name} succeeded, but only ranks {sorted(good)} of {asked.nodes} ended well"


def ran_together(marks: list[Mark]) -> Iterator[str]:
    """Attempts of one task that did something while a later one had begun to."""
    times: dict[int, list[float]] = defaultdict(list)
    for mark in marks:
        times[mark.attempt] += mark.steps
    ran = sorted((attempt, min(at), max(at)) for attempt, at in times.items() if at)
    for (first, _, last), (second, began, _) in pairwise(ran):
        if last >= began:
            yield f"attempt {first} went on for {last - began:.1f} s after attempt {second} began"


def check_rest(site: LocalSite, client: httpx2.Client) -> Iterator[str]:
    """Nothing is left over, and every node can be used."""
    wait_for(
        lambda: not site.programs() and not site.agents() and not site.objects(),
        QUIET_SECONDS,
        0.5,
    )
    left: dict[str, list[Any]] = {
        "program": site.programs(),
        "agent": site.agents(),
        "record": site.objects(),
    }
    for what, found in left.items():
        yield from (f"a {what} is left over: {process}" for process in found)
    yield from (f"the lock of {node} is still held" for node in held_locks(site.work))

    def unusable() -> list[str]:
        nodes = client.get("/nodes").raise_for_status().json()["nodes"]
        return [
            f"node {node['name']} is {node['status']} at the end: {node['health_why']}"
            for node in nodes
            if node["status"] != "free"
        ]

    wait_for(lambda: not unusable(), QUIET_SECONDS, 0.5)
    yield from unusable()


def check_replay(site: LocalSite) -> Iterator[str]:
    """Today's code decides every tick as it was decided."""
    code, said = site.run_command("hai-cli", "sim", "replay", "--from", "1d", seconds=900)
    if code:
        yield f"the decision log is not replayed exactly (exit {code}): {said.strip()[-1500:]}"
