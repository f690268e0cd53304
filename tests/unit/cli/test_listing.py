"""Lists of any length, against a small real HTTP server: in order, whole, and a page at a time."""

import io
import json
import random
from collections.abc import Iterator
from typing import Any

import pytest

from hai.cli.layouts import tasks_layout
from hai.console.ordering import ordered
from hai.console.output import Format, Output
from tests.unit.cli.conftest import Cli
from tests.unit.cli.peer import Peer, Reply, Request, error, sse, task_view

API = "/api/v1"
NOW = 1_893_456_000.0


def serve(peer: Peer, count: int) -> None:
    """So many tasks, newest first, as the server gives them."""

    def page(request: Request) -> Reply:
        before = int(request.query.get("before", [str(count + 1)])[0])
        size = int(request.query["page_size"][0])
        ids = range(before - 1, max(before - 1 - size, 0), -1)
        tasks = [task_view(id=id_, nodes=id_ * 7 % 11) for id_ in ids]
        total = None if "before" in request.query else count
        after = ids[-1] if len(ids) == size else None
        return Reply(body={"tasks": tasks, "total": total, "page": 1, "next": after})

    peer.on("GET", f"{API}/tasks", page)


@pytest.mark.parametrize("count", [0, 1, 499, 500, 501, 1000, 1203])
def test_every_row_once_however_many_pages(cli: Cli, joined: Peer, count: int) -> None:
    serve(joined, count)
    rows = json.loads(cli("list", "-o", "json").out)
    assert [row["id"] for row in rows] == list(range(count, 0, -1))
    assert len(joined.requests) == count // 500 + 1


def test_a_list_that_was_cut_off_is_no_json(cli: Cli, joined: Peer) -> None:
    serve(joined, 1203)
    whole = joined.routes["GET", f"{API}/tasks"]

    def page(request: Request) -> Reply:
        if "before" in request.query:
            return error("platform_error", 500, "it broke")
        assert not isinstance(whole, Reply)
        return whole(request)

    joined.on("GET", f"{API}/tasks", page)
    for form in ("json", "jsonl", "csv", "yaml", "name"):
        result = cli("list", "-o", form)
        assert result.code == 1, form
    result = cli("list", "-o", "json")
    with pytest.raises(ValueError, match="Expecting"):
        json.loads(result.out)


def test_rows_are_written_before_the_last_is_there() -> None:
    """No more than a page is held: the output is ahead of the input all the time."""
    stream = io.StringIO()

    def items() -> Iterator[dict[str, Any]]:
        for number in range(1000):
            written = stream.getvalue().count('"id"')
            assert number - written <= 100, "it waits for rows that it could write"
            yield task_view(id=number)

    for form in (Format.JSONL, Format.JSON):
        stream = io.StringIO()
        Output(format=form, stream=stream).rows(items(), tasks_layout(NOW))
        assert stream.getvalue().count('"id"') == 1000


def test_the_json_of_a_stream_is_laid_out_as_ever() -> None:
    for items in ([], [task_view()], [task_view(), task_view(id=2, assigned_nodes=[])]):
        output = Output(format=Format.JSON, fields=("id", "assigned_nodes", "reason"))
        chosen = [{key: item[key] for key in output.fields} for item in items]
        assert output.render(items, tasks_layout(NOW)) == json.dumps(chosen, indent=2) + "\n"


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("run_items", [1, 7, 100, 1000])
def test_sorting_on_disk_is_sorting(run_items: int, *, reverse: bool) -> None:
    chance = random.Random(3)  # noqa: S311 - any order will do
    values: list[object] = [None, 1, 2.5, "b", "a", True, "ä", ["x", "y"]]
    items = [{"at": at, "key": chance.choice(values)} for at in range(300)]
    found = list(ordered(iter(items), "key", reverse=reverse, run_items=run_items))
    assert found == list(ordered(items, "key", reverse=reverse))
    assert [one["at"] for one in found if one["key"] is None] == [
        item["at"] for item in items if item["key"] is None
    ], "equal ones stay as they came"


def test_priorities_are_sorted_by_their_level() -> None:
    levels = ["HIGH", "LOW", "AUTO", "EXTREME_HIGH", "NORMAL"]
    found = ordered([{"priority": level} for level in levels], "priority", reverse=True)
    assert [one["priority"] for one in found] == ["EXTREME_HIGH", "HIGH", "NORMAL", "LOW", "AUTO"]


def test_a_sorted_page_is_a_page_of_all(cli: Cli, joined: Peer) -> None:
    serve(joined, 1203)
    result = cli("list", "--sort", "-nodes", "--fields", "nodes", "--no-headers", "-ps", "200")
    widths = sorted((number * 7 % 11 for number in range(1, 1204)), reverse=True)
    assert result.out.split() == [str(width) for width in widths[:200]]
    assert "200 of 1,203 tasks, page 1 of 7" in result.err


@pytest.mark.parametrize("form", ["table", "json"])
def test_a_wrong_field_costs_no_request(cli: Cli, joined: Peer, form: str) -> None:
    for words in (("--sort", "-colour"), ("--fields", "id,colour"), ("--sort", "-")):
        assert cli("list", "-o", form, *words).code == 2
        assert cli("events", "-o", form, *words).code == 2
    assert cli("list", "--fields", "help").out.startswith("schema_version\nid\n")
    assert joined.requests == []


def event(number: int) -> tuple[str, Any, str]:
    data = {"id": number, "at": "2030-01-01T00:00:00Z", "kind": "k", "actor": "a", "why": ""}
    return ("event", {**data, "task_id": None, "user": None, "data": {}}, str(number))


def test_the_ledger_is_whole_or_an_error(cli: Cli, joined: Peer) -> None:
    """A stream that closes without its end is read on from where it was; after some tries it is an
    error."""

    def without_end(request: Request) -> Reply:
        return sse(*([] if request.query.get("cursor") == ["2"] else [event(1), event(2)]))

    joined.on("GET", f"{API}/events", without_end)
    assert cli("events", "-o", "jsonl").code == 7
    answers = [sse(event(1), event(2)), sse(event(3), ("end", {}, ""))]
    joined.on("GET", f"{API}/events", lambda _: answers.pop(0))
    done = cli("events", "-o", "name", "--limit", "9", "--since", "2030-01-01")
    assert (done.code, done.out.split()) == (0, ["1", "2", "3"])
    first, again = joined.requests[-2:]
    assert (first.query["last"], "since" in first.query) == (["9"], True)
    assert (again.query["cursor"], "last" in again.query) == (["2"], False)


def test_people_are_told_how_many_events_there_are(cli: Cli, joined: Peer) -> None:
    stream = sse(("total", {"total": 12345}, ""), event(7), event(8), ("end", {}, ""))
    joined.on("GET", f"{API}/events", stream)
    assert "100 of 12,345 events" in cli("events").err
    assert joined.requests[-1].query["last"] == ["100"]
    assert cli("events", "-o", "json").err == ""
    assert "last" not in joined.requests[-1].query
    joined.on("GET", f"{API}/events", sse(("total", {"total": 0}, ""), ("end", {}, "")))
    assert cli("events").err == "no events\n"
    assert cli("events", "--kind", "task.runing").err == "no events of kind task.runing\n"


def test_waiting_for_an_array_outlives_the_server(
    cli: Cli, joined: Peer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hai.cli.commands.wait._RETRY_SECONDS", 0.0)
    asked = 0

    def page(request: Request) -> Reply:
        nonlocal asked
        states = request.query.get("state", [])
        if len(states) > 2:  # the unfinished ones
            asked += 1
            if 2 <= asked <= 7:
                return Reply(cut=True)
            left = [task_view(id=14, array_id=12)] if asked == 1 else []
            return Reply(body={"tasks": left, "total": len(left), "next": None})
        failed = task_view(id=13, array_id=12, state="failed", exit_code=9)
        stopped = task_view(id=14, array_id=12, state="stopped")
        both = [stopped, failed] if len(states) == 2 else []
        return Reply(body={"tasks": both, "total": len(both), "next": None})

    joined.on("GET", f"{API}/tasks", page)
    joined.on("GET", f"{API}/tasks/14/watch", sse(("end", {"state": "stopped"}, "")))
    result = cli("wait", "12_[*]")
    assert result.code == 9, "the first one's by its place"
    assert result.err.count("connection lost") == 1
