"""The start form as a run document, what is free as lines, and names that are no markup."""

from shlex import quote
from typing import Any

import pytest

from hai.errors import Conflict, InvalidInput
from hai.schema.submission import Submission
from hai.studio.capacity import capacity_of
from hai.studio.container_form import document_of, recorded_in
from hai.studio.container_view import (
    ContainerPage,
    containers_page,
    error_box,
    log_page,
    opening_page,
    waiting_page,
)

EVIL = "<b onclick='x'>\"&"
GIB = 2**30
RECORD = {
    "name": "vision",
    "owner": "ann",
    "identity": "3fa4c0ffee12",
    "follow": True,
}
LABEL = "vision[ann] 3fa4c0ffee12, follows"


def test_a_form_is_the_document_that_the_command_would_send() -> None:
    options = {"py_venv": "/envs/vision", "environment": RECORD}
    recorded = recorded_in([{"label": LABEL, "options": options}])
    form = {"name": "lab", "group": "shared", "cpu": "0.5", "memory": "512M", "gpus": "2"}
    form |= {"folder": "/work", "image": "torch", "idle": "2h", "spot": "1"}
    form |= {"services": "tb:6006=tensorboard\r\n\r\ndb:5432/tcp\r\nsync=copy it\r\n"}
    form["environment"] = LABEL
    found = document_of(form, recorded)
    Submission.model_validate(found)
    assert found["resource"] == {
        "node_count": 1,
        "group": "shared",
        "image": "torch",
        "cpu": 0.5,
        "memory": 0.5,
        "gpu": 2,
        "is_spot": True,
    }
    assert found["options"] == {
        "py_venv": "/envs/vision",
        "environment": RECORD,
        "idle_seconds": 7200,
    }
    assert found["spec"] == {"entrypoint": "jupyterlab", "workspace": "/work"}
    assert [one["name"] for one in found["services"]] == ["tb", "db", "sync"]
    empty = document_of({"name": "lab"}, {})
    assert (empty["resource"], empty["options"]) == ({"node_count": 1}, {})


@pytest.mark.parametrize(
    ("field", "text"),
    [
        ("name", ""),
        ("cpu", "many"),
        ("cpu", "0"),
        ("cpu", "nan"),
        ("gpus", "1.5"),
        ("gpus", "-1"),
        ("memory", "32X"),
        ("idle", "soon"),
        ("idle", "0s"),
        ("environment", "vision"),
        ("services", "board:²=x"),
    ],
)
def test_what_makes_no_sense_is_told_with_what_to_write(field: str, text: str) -> None:
    with pytest.raises(InvalidInput) as told:
        document_of({"name": "lab", field: text}, {})
    assert told.value.hint


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("vision", "/new"),  # the one that was used last
        ("vision[ann]", "/new"),
        ("vision[bob]", "/bobs"),
        ("vision[ann] 3fa4c0ffee12", "/old"),
        ("/venvs/own", "/venvs/own"),
    ],
)
def test_an_environment_is_found_by_its_name(text: str, place: str) -> None:
    labels = {"vision[ann] aaaac0ffee12": "/new", "vision[ann] 3fa4c0ffee12": "/old"}
    labels |= {"visions[ann] 3fa4c0ffee13": "/other", "vision[bob] 3fa4c0ffee14": "/bobs"}
    recorded = {label: {"py_venv": path} for label, path in labels.items()}
    options = document_of({"name": "lab", "environment": text}, recorded)["options"]
    assert options["py_venv"] == place


@pytest.mark.parametrize("text", ["visio", "vision[", "vision[eve]", "3fa4c0ffee12", "x'; y"])
def test_an_unknown_environment_is_told_with_what_to_do(text: str) -> None:
    recorded = {"vision[ann] 3fa4c0ffee12": {"py_venv": "/envs/vision"}}
    with pytest.raises(InvalidInput) as told:
        document_of({"name": "lab", "environment": text}, recorded)
    assert f"none of your last tasks had an environment {text!r}" in told.value.message
    assert f"haienv path {quote(text)}" in told.value.hint
    assert f"hai-cli dev start NAME --env {quote(text)}" in told.value.hint


def node(name: str, group: str, status: str = "free", **free: Any) -> dict[str, Any]:
    return {"name": name, "group": group, "status": status, "free": free or None}


def test_free_capacity_is_told_by_group() -> None:
    nodes = [node("t-0", "train"), node("t-1", "train", "working"), node("t-2", "train", "down")]
    assert capacity_of(nodes) == [("train", ["whole nodes: 1 of 3 free"])]
    parts = [(1.5, 2, 0), (4, 1, 0), (0.25, 8, 1), (0, 0, 0), (0, 0, 0)]
    shared = [
        node(f"s-{at}", "shared", "working", cpu=cpu, memory_bytes=memory * GIB, gpus=gpus)
        for at, (cpu, memory, gpus) in enumerate(parts)
    ]
    assert capacity_of(shared)[0][1] == [
        "shared nodes: 5.75 cpus, 11 GiB of memory and 1 GPU free in all",
        "s-2: 0.25 cpus, 8 GiB of memory and 1 GPU",
        "s-1: 4 cpus, 1 GiB of memory and 0 GPUs",
        "s-0: 1.5 cpus, 2 GiB of memory and 0 GPUs",
        "s-3: 0 cpus, 0 GiB of memory and 0 GPUs",
        "and 1 more",
    ]


def test_names_are_no_markup() -> None:
    service = {"name": EVIL, "type": "http", "port": 1, "rank": 0, "state": EVIL, "exit_code": 3}
    task = {
        "id": 7,
        "name": EVIL,
        "state": "running",
        "group": EVIL,
        "held": False,
        "spot": False,
        "assigned_nodes": [EVIL],
        "asks": None,
        "services": [service],
        "why": EVIL,
        "idle": {"text": EVIL, "lines": [EVIL]},
    }
    waits = {**task, "id": 8, "idle": None, "reason": {"code": "x", "text": EVIL}}
    fields = ("name", "group", "cpu", "environment", "services", "idle", "folder", "image")
    error = Conflict(EVIL, hint=EVIL)
    form = dict.fromkeys(fields, EVIL)
    capacity = [(EVIL, [EVIL])]
    sight = ContainerPage(EVIL, [task, waits], capacity, [EVIL], [EVIL], error, form)
    pages = [containers_page(sight), error_box(error), opening_page(EVIL, EVIL)]
    pages += [waiting_page(task, EVIL, EVIL, 3), log_page(EVIL, task, [EVIL], 9)]
    for page in pages:
        assert "<b" not in page.replace("<button", "").replace("<body", "")
        assert "onclick='" not in page
        assert '">"' not in page
        assert "&lt;b onclick=&#x27;x&#x27;&gt;&quot;&amp;" in page
