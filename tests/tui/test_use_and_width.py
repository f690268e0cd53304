"""The pure parts: what tasks and containers use, and pages and lines in narrow terminals."""

from typing import Any

import pytest

from hai.tui.actions import Mode
from hai.tui.cluster_lines import GroupTotals, group_lines, history_lines
from hai.tui.glyphs import UNICODE
from hai.tui.help import aliases_page, help_page
from hai.tui.model import DashboardTask, Model, task_of
from hai.tui.pages import task_page, usage_text, why_page
from hai.tui.preferences import Preferences
from hai.tui.present import TASK_COLUMNS, Context
from hai.tui.text import line_width, plain
from tests.tui.fake_server import NOW, at, running, task_row, whole


def task(**values: Any) -> DashboardTask:
    row = running(7, "n1", **values) if values.get("state") == "running" else task_row(7, **values)
    return task_of(row)


def test_usage_says_what_is_known() -> None:
    assert usage_text({}) == ""
    assert usage_text({"cpu_percent": 99.6, "memory_bytes": 2**30}) == "cpu 100 %, mem 1.0G"
    assert usage_text({"gpus": 8.0, "cpu_percent": 1.0}) == "cpu 1 %, gpu unknown"


def test_a_wide_table_shows_what_tasks_use() -> None:
    usage = {
        "n1": {"cpu_percent": 150.0, "gpu_percent": 90.0},
        "n2": {"cpu_percent": 50.0, "gpu_percent": 70.0},
        "n3": {"cpu_percent": 7.0},
    }
    column = next(column for column in TASK_COLUMNS if column.title == "CPU")
    context = Context(now=NOW, user="alice", use_of=lambda _, node: usage.get(node))
    both = task_of(running(7, "n1", "n2"))
    assert column.cell(both, context)[0] == "200% gpu 80%"
    assert column.cell(task_of(running(7, "n3")), context)[0] == "7%"
    assert column.cell(task_of(running(7, "n4")), context)[0] == ""
    assert column.cell(task(), context)[0] == ""


def test_a_dev_container_tells_its_use() -> None:
    idle = {
        "text": "idle for 110 min; suspended in 11 min",
        "lines": ["kernels: quiet for 110 min", "CPU: quiet for 110 min"],
        "stops_at": at(300),
        "notice_seconds": 600.0,
    }
    facts = {"state": "running", "user": "alice", "nodes": 1, "group": "g", "priority": "HIGH"}
    detail = {**facts, "submitted_at": at(-9000), "suspend_count": 0, "attempts": 1, "idle": idle}
    page = task_page(detail, (), None, NOW, 100, UNICODE)
    lines = plain(page).splitlines()
    first = next(number for number, line in enumerate(lines) if line.startswith("use "))
    assert lines[first].endswith("suspended in 11 min")
    assert page[first][1][1] == "warn", "the notice was given"
    assert lines[first + 1].strip() == "kernels: quiet for 110 min"


def test_a_dev_container_tells_its_part_and_its_services() -> None:
    detail = {
        "id": 2, "state": "running", "user": "alice", "nodes": 1, "group": "jupyter",
        "priority": "AUTO", "level": "NORMAL", "submitted_at": at(-9000), "suspend_count": 0,
        "attempts": 1, "asks": {"cpu": 0.5, "memory_bytes": 2**30, "gpus": 1},
        "services": [
            {"name": "jupyter", "type": "http", "port": None, "rank": 0, "state": "program",
             "exit_code": None, "starts": 0},
            {"name": "web", "type": "local", "port": 8000, "rank": 0, "state": "ended",
             "exit_code": 3, "starts": 2},
        ],
    }  # fmt: skip
    text = plain(task_page(detail, (), None, NOW, 100, UNICODE))
    asked = "0.5 cpus, 1 GiB of memory and 1 GPU of a node of jupyter at AUTO, charged at NORMAL"
    assert f"asks for  {asked}" in text
    lines = text[text.index("SERVICES") :].splitlines()
    assert lines[1].split() == ["0", "jupyter", "program", "http"]
    assert lines[2].split() == ["0", "web", "ended", "local", "port", "8000", "exit", "3",
                                "2", "starts"]  # fmt: skip
    assert "SERVICES" not in plain(task_page({**detail, "services": []}, (), None, NOW, 9, UNICODE))


def test_what_a_container_asks_for_is_not_cut() -> None:
    facts = {"state": "running", "user": "alice", "nodes": 1, "group": "jupyter_cpu", "attempts": 1}
    asks = {"cpu": 0.5, "memory_bytes": 2**30, "gpus": 1}
    detail = {**facts, "priority": "AUTO", "level": "NORMAL", "asks": asks, "suspend_count": 0}
    page = task_page({**detail, "submitted_at": at(-9)}, (), None, NOW, 70, UNICODE)
    assert max(map(line_width, page)) <= 70
    told = " ".join(plain(page).split("so far")[0].split())
    assert "1 GPU of a node of jupyter_cpu at AUTO, charged at NORMAL" in told


def test_nobody_can_say_when_it_starts() -> None:
    basis = "no basis: no start in sight before the task that runs ends, and nobody knows when"
    estimate = {"earliest": at(0), "latest": None, "basis": basis}
    page = why_page({"text": "task 5 waits", "estimate": estimate}, 70)
    assert max(map(line_width, page)) <= 70
    assert f"may start not before 17:46:40 ({basis})" in " ".join(plain(page).split())


def test_commands_stand_apart_from_their_other_names() -> None:
    lines = plain(aliases_page(Preferences(), 100)).splitlines()
    assert "who holds what  :nodes" in next(line for line in lines if ":cluster" in line)


@pytest.mark.parametrize("width", [38, 60, 80, 200])
def test_no_page_of_help_is_cut(width: int) -> None:
    pages = [help_page(view, Mode(), {}, width) for view in ("queue", "cluster", "logs")]
    for page in [*pages, aliases_page(Preferences(), max(60, width))]:
        assert max(map(line_width, page)) <= max(60, width)


@pytest.mark.parametrize("width", [59, 80])
def test_a_narrow_cluster_keeps_its_counts(width: int) -> None:
    group = GroupTotals("training", nodes=16, busy=9, sick=2, running=3, waiting=4)
    model = Model()
    model.apply(whole(), NOW)
    lines = group_lines([group], model, width - 1, UNICODE)
    text = plain(lines)
    assert "5 free" in text
    assert "4 wait" in text
    assert line_width(lines[0]) <= width - 1
    titles = history_lines(model, [group], width - 2, UNICODE)[0]
    assert "(56 %)" in titles[0][0]
    assert "…" not in "".join(text for text, _ in titles)
