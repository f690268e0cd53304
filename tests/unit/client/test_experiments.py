# ruff: noqa: S106 - the tokens here are made up

import io
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from hai.client.document import load_document
from hai.client.experiments import (
    create_experiment,
    create_experiment_v2,
    get_experiment,
    get_experiments,
)
from hai.client.profile import Profile, save_profile
from hai.errors import InvalidInput, NotFound
from tests.unit.cli.peer import Peer, Reply, Request, sse, task_view

API = "/api/v1"
ROOT = Path(__file__).parents[3]
DOCUMENT = {"version": 2, "name": "x", "spec": {"entrypoint": "x.py"}}


@pytest.fixture
def peer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Peer]:
    found = Peer()
    save_profile(Profile(url=found.url, token="t"), tmp_path / "conf.yaml")
    monkeypatch.setenv("HAI_CONF", str(tmp_path / "conf.yaml"))
    yield found
    found.close()


async def test_create_from_everything(peer: Peer, tmp_path: Path) -> None:
    peer.on("POST", f"{API}/tasks", Reply(201, task_view()))
    text = "version: 2\nname: x\nspec:\n  entrypoint: x.py\n"
    path = tmp_path / "run.yaml"
    path.write_text(text)
    for document in (DOCUMENT, text, str(path), path, io.StringIO(text), '{"version": 2}'):
        experiment = await create_experiment(document)
        assert experiment.id == 12
        sent = peer.requests[-1].body
        assert sent.pop("request_id")
        assert sent["version"] == 2
    assert create_experiment_v2 is create_experiment
    assert "request_id" not in DOCUMENT


@pytest.mark.parametrize("text", ["- a\n", "a: [\n", "\n"])
def test_texts_that_are_no_documents(text: str) -> None:
    with pytest.raises(InvalidInput):
        load_document(text)


def test_a_missing_file() -> None:
    with pytest.raises(NotFound, match=r"missing\.yaml"):
        load_document("missing.yaml")


async def test_attributes_have_both_names(peer: Peer) -> None:
    peer.on("GET", f"{API}/tasks/train.py", Reply(body=task_view()))
    experiment = await get_experiment(name="train.py")
    assert experiment.nb_name == experiment.name == "train.py"
    assert experiment.chain_status == "running"
    assert "user_name" in dir(experiment)
    assert repr(experiment) == "<Experiment 12 'train.py' running>"
    with pytest.raises(AttributeError):
        _ = experiment.colour
    with pytest.raises(TypeError):
        await get_experiment()


async def test_by_chain_id(peer: Peer) -> None:
    views = {3: task_view(id=3, chain_id="c-1"), 2: task_view(id=2, chain_id="c-2")}

    def page(request: Request) -> Reply:
        before = int(request.query.get("before", ["4"])[0])
        page = request.query.get("page", ["1"])[0]
        task_id = 2 if before == 3 or page == "2" else 3
        after = 3 if task_id == 3 else None
        return Reply(body={"tasks": [views[task_id]], "total": 2, "next": after})

    peer.on("GET", f"{API}/tasks", page)
    assert (await get_experiment("c-2")).id == 2
    with pytest.raises(NotFound):
        await get_experiment("c-3")
    total, found = await get_experiments(page=2, page_size=1)
    assert (total, [experiment.id for experiment in found]) == (2, [2])


@pytest.mark.parametrize(
    ("filters", "states"),
    [
        ({}, None),
        ({"select_pods": False, "only_star": False, "task_type_list": ["training"]}, None),
        ({"queue_status_list": ["queued"]}, ["queued", "suspended"]),
        ({"worker_status_list": ["running", "failed"]}, ["running", "failed"]),
        (
            {"queue_status_list": ["finished"], "worker_status_list": ["failed", "running"]},
            ["failed"],
        ),
        ({"state": ["running"], "queue_status_list": ["queued"]}, ["running"]),
    ],
)
async def test_filters_of_the_original(
    peer: Peer, filters: dict[str, object], states: list[str] | None
) -> None:
    peer.on("GET", f"{API}/tasks", Reply(body={"tasks": [], "total": 0}))
    assert await get_experiments(1, 10, **filters) == (0, [])  # type: ignore[arg-type]
    assert peer.requests[-1].query.get("state") == states


@pytest.mark.parametrize(
    ("filters", "error"),
    [
        ({"only_star": True}, InvalidInput),
        ({"tag_list": ["best"]}, InvalidInput),
        ({"task_type_list": ["virtual"]}, InvalidInput),
        ({"queue_status_list": ["finished"], "worker_status_list": ["running"]}, InvalidInput),
        ({"colour": "red"}, TypeError),
    ],
)
async def test_filters_that_can_not_be_served(
    peer: Peer, filters: dict[str, object], error: type[Exception]
) -> None:
    with pytest.raises(error):
        await get_experiments(**filters)  # type: ignore[arg-type]
    assert not peer.requests


async def test_methods(peer: Peer) -> None:
    peer.on("POST", f"{API}/tasks", Reply(201, task_view()))
    experiment = await create_experiment(DOCUMENT)
    for action in ("stop", "suspend", "resume", "priority"):
        peer.on("POST", f"{API}/tasks/12/{action}", Reply(body=task_view(why=action)))
    assert (await experiment.suspend()).why == "suspend"
    assert (await experiment.resume()).why == "resume"
    assert (await experiment.set_priority(30)).why == "priority"
    assert peer.requests[-1].body == {"priority": 30}
    assert (await experiment.stop()).why == "stop"
    line = {"attempt": 1, "rank": 0, "at": "x", "text": "hello"}
    stream = sse(("lines", {"lines": [line, line]}, "1"), ("end", {}, ""))
    peer.on("GET", f"{API}/tasks/12/logs", stream)
    assert await experiment.log(rank="all", tail=2) == "hello\nhello\n"


SCRIPT = """
import asyncio, sys
sys.modules["yaml"] = None
from hai.client.document import load_document
from hai.client.experiments import create_experiment
print(asyncio.run(create_experiment({"version": 2})).id)
try:
    load_document("a: 1\\n")
except Exception as error:
    print(error.hint)
allowed = sorted(n for n in sys.modules if n.split(".")[0] in ("httpx2", "pydantic", "typer"))
print(allowed)
"""


def old_pythons() -> list[str]:
    found = sorted(Path("~/.pyenv/versions").expanduser().glob("3.8.*/bin/python"))
    return [sys.executable, *map(str, found)]


@pytest.mark.parametrize("python", old_pythons())
def test_the_standard_library_is_enough(peer: Peer, python: str) -> None:
    peer.on("POST", f"{API}/tasks", Reply(201, task_view()))
    done = subprocess.run(
        [python, "-c", SCRIPT], capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert done.returncode == 0, done.stderr
    number, hint, heavy = done.stdout.splitlines()
    assert (number, heavy) == ("12", "[]")
    assert "pyyaml" in hint
