"""Tasks in the order in which they are served."""

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

from hai.tui.model import Task, in_order
from hai.tui.present import TASK_COLUMNS, state_of, task_labels
from hai.tui.screens.tables import TableView
from hai.tui.text import Line
from hai.tui.verbs import TaskVerbs


class QueueScreen(TaskVerbs, TableView):
    view = "queue"
    columns = TASK_COLUMNS

    def rows(self) -> Sequence[Task]:
        return in_order(self.hai.model.tasks.values())

    def key(self, row: Any) -> Hashable:
        return int(row.id)

    def text(self, row: Any) -> str:
        task: Task = row
        return (
            f"{task.id} {task.name} {task.user} {task.group} {task.priority} "
            f"{state_of(task)} {task.why}"
        )

    def labels(self, row: Any) -> Mapping[str, str]:
        return task_labels(row)

    def open_row(self, row: Any) -> None:
        self.hai.open_task(row.id)

    def tasks_meant(self) -> list[Task]:
        return self.table.marked()

    def task_meant(self) -> Task | None:
        current: Task | None = self.table.current
        return current

    def title_line(self, width: int) -> Line:
        line = super().title_line(width)
        total = self.hai.facts.total
        line += [("  ", ""), (f"{total.running} run", "run"), (f"  {total.waiting} wait", "wait")]
        return line

    def twin(self) -> str:
        words = ["hai-cli list -a"]
        if self.filter.startswith("-l"):
            for part in self.filter[2:].split(","):
                key, _, value = part.strip().partition("=")
                if key in ("user", "state", "group", "name"):
                    words.append(f"--{key} {value.replace('@me', self.hai.model.user)}")
        elif self.filter:
            words.append(f"--no-trunc | grep -iE {self.filter!r}")
        return " ".join(words)
