"""The event log, live: the newest line on top."""

from collections.abc import Hashable, Mapping, Sequence
from typing import Any, ClassVar

from textual.binding import BindingType

from hai.tui.bindings import bindings_of
from hai.tui.model import DashboardTask
from hai.tui.present import EVENT_COLUMNS, Context, event_labels
from hai.tui.screens.tables import TableView
from hai.tui.verbs import TaskVerbs


class EventsScreen(TaskVerbs, TableView):
    view = "events"
    BINDINGS: ClassVar[list[BindingType]] = bindings_of("events")
    columns = EVENT_COLUMNS

    def rows(self) -> Sequence[Mapping[str, Any]]:
        return list(reversed(self.hai.model.events))

    def key(self, row: Any) -> Hashable:
        return int(row["id"])

    def text(self, row: Any) -> str:
        return " ".join(column.cell(row, Context())[0] for column in self.columns)

    def labels(self, row: Any) -> Mapping[str, str]:
        return event_labels(row)

    def open_row(self, row: Any) -> None:
        if row["task_id"] is not None:
            self.hai.open_task(row["task_id"])

    def tasks_meant(self) -> list[DashboardTask]:
        task = self.task_meant()
        return [] if task is None else [task]

    def task_meant(self) -> DashboardTask | None:
        event = self.table.current
        if event is None or event["task_id"] is None:
            return None
        return self.hai.model.tasks.get(event["task_id"])

    def cli_equivalent(self) -> str:
        return "hai-cli events -f"
