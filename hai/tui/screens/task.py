"""One task: its life as a bar, attempts, workers, events."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from textual import work
from textual.app import ComposeResult
from textual.binding import BindingType

from hai.errors import HaiError
from hai.tui.bindings import bindings_of
from hai.tui.dashboard import Dashboard
from hai.tui.model import DashboardTask, task_of
from hai.tui.pages import task_page
from hai.tui.text import Line, plain, printable
from hai.tui.usage import UseOf
from hai.tui.verbs import TaskVerbs
from hai.tui.widgets.lines import Lines
from hai.tui.widgets.page import Page

EVENTS_SHOWN = 1000
USE_SECONDS = 15.0  # after which the use of a dev container, which no feed brings, is read again


class TaskScreen(TaskVerbs):
    """Read again whenever the feed says that the task changed; live figures come with the feed."""

    view = "task"
    BINDINGS: ClassVar[list[BindingType]] = bindings_of("task")

    def __init__(self, hai: Dashboard, task_id: int, *, asks_why: bool = False) -> None:
        super().__init__(hai)
        self.task_id = task_id
        self._asks_why = asks_why  # as soon as the task is known
        self._detail: Mapping[str, Any] | None = None
        self._events: Sequence[Mapping[str, Any]] = ()
        self._error = ""
        self._read_row: DashboardTask | None = None
        self._was_read = False
        self._read_at = 0.0
        self._page = Page(hai, self._build, id="page")

    def compose_main(self) -> ComposeResult:
        yield self._page

    @property
    def main(self) -> Lines:
        return self._page

    def title_line(self, width: int) -> Line:
        name = printable(str(self._detail["name"])) if self._detail else ""
        return [(f" task {self.task_id}", "title"), (f"  {name}", "")]

    def show_model(self) -> None:
        row = self.hai.model.tasks.get(self.task_id)
        if row is not self._read_row or not self._was_read:
            self._read_row, self._was_read = row, True
            self._read()
        self._show()

    def _show(self) -> None:
        self._page.show(self._build)

    @work(group="read", exclusive=True)
    async def _read(self) -> None:
        self._read_at = self.hai.server_now()
        try:
            detail = await self.hai.call("task", ref=self.task_id)
            found = await self.hai.call(
                "task_events", params={"limit": EVENTS_SHOWN}, ref=self.task_id
            )
        except HaiError as error:
            self._error = error.message
        else:
            self._detail, self._events, self._error = detail, found["events"], ""
        self._show()
        self.renew()
        if self._asks_why and not self._error:
            self._asks_why = False
            self.action_why()

    def _build(self, width: int) -> list[Line]:
        if self._detail is None:
            return [[(self._error or "reading ...", "bad" if self._error else "dim")]]
        detail = _with_usage(self._detail, self.hai.model.use_of)
        row = self.hai.model.tasks.get(self.task_id)
        lines = task_page(detail, self._events, row, self.hai.server_now(), width, self.hai.glyphs)
        return [[(self._error, "bad")], *lines] if self._error else lines

    def tick(self) -> None:
        has_use = self._detail is not None and self._detail.get("idle") is not None
        if has_use and abs(self.hai.server_now() - self._read_at) >= USE_SECONDS:
            self._read()
        self._show()
        self.renew()

    def task_meant(self) -> DashboardTask | None:
        row = self.hai.model.tasks.get(self.task_id)
        return row if row is not None or self._detail is None else task_of(self._detail)

    def tasks_meant(self) -> Sequence[DashboardTask]:
        task = self.task_meant()
        return [] if task is None else [task]

    def action_describe(self) -> None:
        self._read()

    def cli_equivalent(self) -> str:
        return f"hai-cli describe {self.task_id}"

    def dumped(self) -> str:
        return plain(self._build(160))


def _with_usage(detail: Mapping[str, Any], use_of: UseOf) -> Mapping[str, Any]:
    """Workers that run with the figures that the feed brought since."""
    attempts = list(detail.get("attempt_list") or ())
    if not attempts or detail["state"] not in ("running", "suspending", "stopping"):
        return detail
    last = dict(attempts[-1])
    last["workers"] = [
        {**worker, "usage": use_of(detail["id"], worker["node"]) or worker.get("usage") or {}}
        for worker in last["workers"]
    ]
    return {**detail, "attempt_list": [*attempts[:-1], last]}
