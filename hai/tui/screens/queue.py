"""Tasks in the order in which they are served."""

import shlex
from collections.abc import Hashable, Mapping, Sequence
from typing import Any, ClassVar

from textual.binding import BindingType

from hai.tui.bindings import bindings_of
from hai.tui.model import DashboardTask, in_order
from hai.tui.present import TASK_COLUMNS, task_labels, task_text
from hai.tui.screens.tables import TableView
from hai.tui.text import Line
from hai.tui.verbs import TaskVerbs

_OPTIONS = frozenset({"user", "state", "group", "name"})  # of hai-cli list


class QueueScreen(TaskVerbs, TableView):
    view = "queue"
    BINDINGS: ClassVar[list[BindingType]] = bindings_of("queue")
    columns = TASK_COLUMNS

    def rows(self) -> Sequence[DashboardTask]:
        return in_order(self.hai.model.tasks.values())

    def key(self, row: Any) -> Hashable:
        return int(row.id)

    def text(self, row: Any) -> str:
        return task_text(row)

    def labels(self, row: Any) -> Mapping[str, str]:
        return task_labels(row)

    def open_row(self, row: Any) -> None:
        self.hai.open_task(row.id)

    def tasks_meant(self) -> list[DashboardTask]:
        return self.table.marked()

    def task_meant(self) -> DashboardTask | None:
        current: DashboardTask | None = self.table.current
        return current

    def title_line(self, width: int) -> Line:
        line = super().title_line(width)
        total = self.hai.totals.total
        line += [("  ", ""), (f"{total.running} run", "run"), (f"  {total.waiting} wait", "wait")]
        return line

    def cli_equivalent(self) -> str:
        text = self.filter_used.replace("@me", self.hai.model.user).strip()
        labels = dict(pair.split("=", 1) for pair in text[2:].strip().split(",") if "=" in pair)
        if not text:
            return "hai-cli list -a"
        if not text.startswith("-l") or not labels.keys() <= _OPTIONS or "held" in labels.values():
            return f"hai-cli top --once {shlex.quote(f'queue {text}')}"
        return " ".join(["hai-cli list -a", *(f"--{k} {shlex.quote(labels[k])}" for k in labels)])
