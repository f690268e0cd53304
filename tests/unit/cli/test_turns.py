"""Dependencies, arrays, time limits, retries and nodes on the command line."""

import json
from pathlib import Path

from tests.unit.cli.conftest import Cli
from tests.unit.cli.peer import Peer, Reply, error, task_view

API = "/api/v1"


def test_run_adds_turns_to_the_document(cli: Cli, joined: Peer, tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    file.write_text("version: 2\nname: a\nspec: {entrypoint: a.py}\noptions: {x: 1}\n")
    words = ("--after", "12,13", "--array", "0-3%2", "--time", "2h", "--retry", "2", "--dry-run")
    document = json.loads(cli("run", str(file), *words, "-o", "json").out)
    assert document["options"] == {
        "x": 1,
        "after": ["12,13"],
        "array": "0-3%2",
        "time_limit": 7200.0,
        "retry": {"max": 2},
    }
    assert cli("run", str(file), "--array", "3-1").code == 2
    assert [request.query for request in joined.requests] == [{"dry_run": ["true"]}]


def test_a_submitted_array_is_told_as_one(cli: Cli, joined: Peer, tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    file.write_text("version: 2\nname: a\nspec: {entrypoint: a.py}\n")
    view = task_view(name="a_[0]", array_id=12, array_index=0, array_size=3)
    joined.on("POST", f"{API}/tasks", Reply(201, view))
    result = cli("run", str(file), "--array", "0-2")
    assert "array 12 submitted: 3 tasks" in result.err
    assert "hai-cli stop '12_[*]'" in result.err


def test_a_whole_array_is_stopped_at_once(cli: Cli, joined: Peer) -> None:
    views = [task_view(id=number, array_id=12) for number in (13, 12)]
    body = {"schema_version": 1, "tasks": views, "total": 2, "page": 1, "page_size": 100}
    joined.on("GET", f"{API}/tasks", Reply(body=body))
    changed = {"schema_version": 1, "tasks": views[:1], "total": 2}
    joined.on("POST", f"{API}/arrays/12/stop", Reply(body=changed))
    refused = cli("stop", "12_[*]")
    assert refused.code == 2
    assert "--yes" in refused.err
    assert cli("stop", "12_[*]", "--dry-run").code == 0
    assert {request.method for request in joined.requests} == {"GET"}
    result = cli("stop", "12_[*]", "-y", "-o", "json")
    assert result.code == 0
    assert "1 of 2 tasks changed by stop" in result.err
    assert [task["id"] for task in json.loads(result.out)] == [13]
    joined.on("POST", f"{API}/arrays/12/resume", error("not_found", 404, "there is no array 12"))
    assert cli("resume", "12_[*]").code == 3


def node_view(name: str, task_id: int | None = None) -> dict[str, object]:
    return {
        "name": name,
        "group": "training",
        "launcher": "local",
        "health": "ready",
        "health_why": "",
        "gpus": 8,
        "cpus": 1.0,
        "memory_bytes": 1,
        "leaf": "",
        "zone": "",
        "status": "free" if task_id is None else "working",
        "task_id": task_id,
        "task_name": "train.py",
        "user": "bob",
    }


def test_nodes_are_drained_after_a_yes(cli: Cli, joined: Peer) -> None:
    nodes = [node_view("n1", 12), node_view("n2")]
    joined.on("GET", f"{API}/nodes", Reply(body={"schema_version": 1, "nodes": nodes}))
    for name, suspended in (("n1", [12]), ("n2", [])):
        answer = {"node": node_view(name), "suspended": suspended}
        joined.on("POST", f"{API}/nodes/{name}/drain", Reply(body=answer))
        joined.on("POST", f"{API}/nodes/{name}/resume", Reply(body=answer))
    assert len(cli("nodes", "-o", "name").out.split()) == 2
    refused = cli("nodes", "drain", "n1", "n2")
    assert refused.code == 2
    assert "--yes" in refused.err
    pretended = cli("nodes", "drain", "n1", "--dry-run")
    assert "would suspend task 12 'train.py' of bob on n1" in pretended.err
    assert cli("nodes", "drain", "n9", "-y").code == 3
    assert {request.method for request in joined.requests} == {"GET"}
    idle = cli("nodes", "drain", "n2")
    assert (idle.code, idle.err.strip()) == (0, "node n2 takes no new work")
    result = cli("nodes", "drain", "n1", "--why", "fans", "-y")
    assert result.code == 0
    assert "and what runs there moves: task 12" in result.err
    assert joined.requests[-1].body == {"why": "fans"}
    assert cli("nodes", "uncordon", "n1").code == 0
    assert joined.requests[-1].path == f"{API}/nodes/n1/resume"
    assert cli("nodes", "explode").code == 2
