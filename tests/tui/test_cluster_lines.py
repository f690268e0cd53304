"""Sums and the map of nodes, from a model that was put together from pieces."""

from typing import Any

import pytest

from hai.errors import InvalidInput
from hai.tui.cluster_lines import (
    CAPTION,
    group_lines,
    group_totals,
    heat_cell,
    heat_rows,
    history_lines,
    legend,
    room_of,
    room_text,
    total_of,
    user_letters,
)
from hai.tui.consequences import drain_question
from hai.tui.glyphs import UNICODE
from hai.tui.model import DashboardTask, Model, node_of, task_of
from hai.tui.once import once_filter, once_lines
from hai.tui.present import NODE_COLUMNS, TASK_COLUMNS, Context
from hai.tui.text import line_width, plain
from hai.tui.user_rows import user_rows
from tests.tui.fake_server import NOW, node_row, piece, running, task_row, whole


@pytest.fixture
def model() -> Model:
    made = Model()
    made.apply(whole(), NOW)
    return made


def running_task(user: str) -> DashboardTask:
    return task_of(running(1, "n", user=user))


def test_groups_count_every_node_once(model: Model) -> None:
    totals = {group.name: group for group in group_totals(model, model.holders())}
    training = totals["training"]
    assert (training.nodes, training.busy, training.free, training.sick) == (16, 9, 5, 2)
    assert (training.running, training.waiting) == (3, 4)
    assert training.health == {"drained": 1, "suspect": 1}
    total = total_of(list(totals.values()))
    assert (total.nodes, total.free, total.gpus, total.gpus_busy) == (20, 8, 128, 72)
    assert total.gpus_free == 40, "those of a node that takes nothing are not free"


def test_no_users_letter_means_that_a_node_is_sick() -> None:
    holders = {f"n{i}": (running_task(f"u{i:02}"),) for i in range(60)}
    letters = user_letters(holders)
    busy = {heat_cell(node_of(node_row(f"n-{i}")), {f"n-{i}": holders[f"n{i}"]}, letters)[0]
            for i in range(60)}  # fmt: skip
    sick = {heat_cell(node_of(node_row("n-0", health=health)), {}, letters)[0]
            for health in ("suspect", "cordoned", "drained", "down")}  # fmt: skip
    assert len(sick) == 4
    assert not busy & sick


@pytest.mark.parametrize("width", [40, 80, 120, 200])
def test_lines_fit_their_width(model: Model, width: int) -> None:
    groups = group_totals(model, model.holders())
    for line in history_lines(model, groups, width, UNICODE):
        assert line_width(line) <= width
    if width >= 80:
        assert all(line_width(li) <= width for li in group_lines(groups, model, width, UNICODE))


def test_the_map_shows_who_holds_what_and_what_is_wrong(model: Model) -> None:
    holders = model.holders()
    letters = user_letters(holders)
    assert letters == {"alice": 0, "bob": 1, "carol": 2}
    rows = heat_rows(list(model.nodes.values()), CAPTION + 10)
    assert [(row.caption, len(row.nodes)) for row in rows] == [
        ("training", 10), ("", 6), ("jupyter_cpu", 4),
    ]  # fmt: skip
    shown = "".join(heat_cell(n, holders, letters)[0] for row in rows for n in row.nodes)
    assert shown == "BBBBBBAAC....d?.C..."
    assert len(heat_rows(list(model.nodes.values()), 80, group="jupyter_cpu")) == 1


def test_leaves_are_in_natural_order() -> None:
    nodes = [node_row(f"n-{i}", leaf=f"leaf-{leaf}") for i, leaf in ((1, 10), (2, 9), (3, 1))]
    model = Model()
    model.apply(whole(nodes=nodes, tasks=[]), NOW)
    row = heat_rows(list(model.nodes.values()), 80)[0]
    assert [node.leaf for node in row.nodes] == ["leaf-1", "leaf-9", "leaf-10"]


def test_users_and_their_quotas(model: Model) -> None:
    rows = {row.name: row for row in user_rows(model)}
    assert (rows["bob"].held, rows["bob"].running, rows["bob"].waiting) == (6, 1, 1)
    assert rows["bob"].share == 0.6
    assert ("training", "HIGH", 6, 12) in rows["bob"].quotas  # everybody's
    assert ("training", "HIGH", 0, 4) in rows["alice"].quotas  # her own wins


def test_nodes_show_live_figures_and_reasons(model: Model) -> None:
    context = Context(NOW, "alice", UNICODE, model.holders(), model.usage, model.use_of)

    def cells(name: str) -> dict[str, str]:
        node = model.nodes[name]
        return {column.title: column.cell(node, context)[0] for column in NODE_COLUMNS}

    busy = cells("train-06")
    assert (busy["STATE"], busy["GPU"], busy["CPU"]) == ("busy", "█████░  91%", "███░░░  50%")
    assert (busy["MEMORY"], busy["TASK"], busy["USER"]) == ("128G/512G", "102 digits", "alice")
    assert cells("train-13")["TASK"] == "power supply"
    assert cells("train-15")["STATE"] == "free"


def test_once_is_the_same_in_plain_lines(model: Model) -> None:
    text = plain(once_lines(model, once_filter("cluster")(model), NOW, 160, UNICODE))
    lines = text.splitlines()
    assert lines[0] == "8/20 nodes free, 40/128 GPUs free, 4 tasks running, 4 waiting"
    assert [line.split()[0] for line in lines[5:]] == [
        "101", "102", "104", "103", "105", "106", "107", "108",
    ]  # fmt: skip


# pieces


def applied(*pieces: Any) -> Model:
    made = Model()
    for number, part in enumerate(pieces):
        made.apply(part, NOW + number)
    return made


def test_a_heartbeat_is_no_news(model: Model) -> None:
    before = model.version
    model.apply(piece(), NOW + 5)
    assert model.version == before
    assert model.received_at == NOW + 5
    model.apply(piece(tasks=[task_row(900)]), NOW + 6)
    assert model.version == before + 1


def test_the_servers_clock_is_used_for_ages() -> None:
    made = applied(whole(at="2030-03-17T17:47:40Z"))  # a minute ahead of us
    assert made.skew == 60


def test_pieces_add_up() -> None:
    made = applied(
        whole(tasks=[running(1, "train-00")], more=2, cursor=""),
        piece(tasks=[task_row(2), task_row(3)], order={"training": [3, 2]}),
        piece(gone=[2], tasks=[task_row(4)], order={"training": [4, 3]}),
    )
    assert set(made.tasks) == {1, 3, 4}
    assert {t.id: t.position for t in made.tasks.values()} == {1: None, 3: 2, 4: 1}
    assert made.complete


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        ("queue gpt", {101, 105}),
        ("queue -l user=@me,state=queued", {106, 107}),
        ("queue !alice", {101, 103, 104, 105}),
    ],
)
def test_what_is_printed_once_can_be_chosen(model: Model, words: str, wanted: set[int]) -> None:
    assert once_filter(words)(model) == wanted


@pytest.mark.parametrize("words", ["users", "task 12", "queue (", "nonsense"])
def test_what_is_not_printed_once_is_told(words: str) -> None:
    with pytest.raises(InvalidInput):
        once_filter(words)


# nodes that several tasks share


@pytest.fixture
def shared() -> Model:
    """cpu-00 with two containers of alice's and one of bob's."""
    part = {"cpu": 2.0, "memory_bytes": 2**30, "gpus": 2}
    own = {"group": "jupyter_cpu", "asks": part, "priority": "AUTO", "level": "NORMAL"}
    tasks = [
        running(1, "cpu-00", name="lab", **own),
        running(2, "cpu-00", name="lab2", **own),
        running(3, "cpu-00", name="desk", user="bob", **{**own, "asks": {**part, "gpus": 1}}),
        running(4, "cpu-01", name="alone", **own),
    ]
    made = Model()
    piece = whole(
        nodes=[node_row(f"cpu-0{i}", "jupyter_cpu", gpus=8) for i in range(3)],
        tasks=tasks,
        usage={"cpu-00": {"cpu_percent": 130.0}, "cpu-01": {"cpu_percent": 7.0}},
        task_usage={"1": {"cpu-00": {"cpu_percent": 110.0}}, "2": {"cpu-00": {"cpu_percent": 20.0}},
                    "3": {"cpu-00": {}}},
    )  # fmt: skip
    made.apply(piece, NOW)
    return made


def test_each_task_on_a_shared_node_shows_its_own_use(shared: Model) -> None:
    context = Context(NOW, "alice", UNICODE, shared.holders(), shared.usage, shared.use_of)
    column = next(column for column in TASK_COLUMNS if column.title == "CPU")
    told = [column.cell(task, context)[0] for task in shared.tasks.values()]
    assert told == ["110%", "20%", "", "7%"]  # of the third nothing is known yet


def test_a_shared_node_is_one_node_with_the_gpus_that_are_asked_for(shared: Model) -> None:
    total = total_of(group_totals(shared, shared.holders()))
    assert (total.busy, total.free, total.gpus, total.gpus_busy) == (2, 1, 24, 7)
    rows = {row.name: row for row in user_rows(shared)}
    assert (rows["alice"].held, rows["alice"].running, rows["bob"].held) == (2, 3, 1)
    assert all(used == 0 for row in rows.values() for _, _, used, _ in row.quotas)


def test_a_shared_node_names_all_who_are_there(shared: Model) -> None:
    holders = shared.holders()
    letters = user_letters(holders)
    nodes = list(shared.nodes.values())
    assert "".join(heat_cell(node, holders, letters)[0] for node in nodes) == "+A."
    told = "".join(text for text, _ in legend(letters, holders))
    assert told.startswith("A alice 2  B bob 1  + several users")
    context = Context(NOW, "bob", UNICODE, holders, shared.usage)
    row = {column.title: column.cell(nodes[0], context) for column in NODE_COLUMNS}
    assert row["TASK"] == ("1 lab, 2 lab2, 3 desk", "mine")
    assert row["USER"][0] == "alice, bob"
    (text,) = drain_question(nodes[0], holders["cpu-00"])[1].lines
    assert "task 1 'lab' of alice" in text
    assert "task 3 'desk' of bob are told to save" in text


@pytest.mark.parametrize(
    ("width", "told"),
    [
        (160, "17 GPUs 184 CPUs 1.5T free"),
        (79, "17 GPUs free"),  # what is scarce
    ],
)
def test_a_shared_group_tells_the_room_that_is_left(shared: Model, width: int, told: str) -> None:
    piece_of = [node_row(f"cpu-0{i}", "jupyter_cpu", gpus=8, shared=True) for i in range(3)]
    shared.apply(piece(nodes=[*piece_of, node_row("train-00")]), NOW)
    totals = group_totals(shared, shared.holders())
    lines = [plain([line]) for line in group_lines(totals, shared, width, UNICODE)]
    room = f"{told} "
    assert room in lines[0]
    assert "1 free " in lines[1], "whole nodes are counted"
    ends = [line.index(" free ") for line in lines]
    assert ends[0] == ends[1], "the counts stand below each other"
    assert all(len(line.rstrip("\n")) <= width for line in lines)


@pytest.mark.parametrize(
    ("changed", "room"),
    [
        ({"gpus": 0}, "60 CPUs 510G"),
        ({"gpus": 5}, "60 CPUs 510G"),  # all of them are held
        ({"gpus": 6}, "1 GPU 60 CPUs 510G"),
        ({"cpus": 5.5, "memory_bytes": 2**30}, "1.5 CPUs 0B"),
        ({"health": "drained"}, "0 CPUs 0B"),
    ],
)
def test_room_is_what_nobody_there_asked_for(changed: dict[str, Any], room: str) -> None:
    node = node_of(node_row("cpu-0", **{"gpus": 5, "shared": True, **changed}))
    asks = {"cpu": 2.0, "memory_bytes": 2**30, "gpus": 3}
    there = tuple(task_of(running(i, "cpu-0", asks={**asks, "gpus": i})) for i in (2, 3))
    found = room_of(node, there)
    assert found is not None
    assert room_text(found) == room
    assert room_of(node_of(node_row("cpu-0")), there) is None, "it is held whole"
    assert room_of(node, (*there, task_of(running(4, "cpu-0")))) == (0, 0, 0), "somebody has it all"
