"""The output of one task: followed, searched, wrapped, of all ranks or some."""

import re
from collections.abc import Mapping
from typing import Any, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType

from hai.core.moments import rfc3339
from hai.errors import InvalidInput
from hai.tui.bindings import bindings_of
from hai.tui.dashboard import Dashboard
from hai.tui.feed import LogReader
from hai.tui.filters import expression
from hai.tui.logbuffer import Search
from hai.tui.screens.view import View
from hai.tui.text import Line, count_of, printable
from hai.tui.widgets.lines import Lines
from hai.tui.widgets.logview import LogView
from hai.tui.widgets.prompt import Prompt

TAIL = 1000
_SINCE_SECONDS = {"2": 60, "3": 300, "4": 900, "5": 3600}
_RANKS = re.compile(r"all|\d{1,6}(-\d{1,6})?(,\d{1,6}(-\d{1,6})?)*")


class LogsScreen(View):
    view = "logs"
    BINDINGS: ClassVar[list[BindingType]] = bindings_of("logs")

    def __init__(self, hai: Dashboard, task_id: int, *, previous: bool = False) -> None:
        super().__init__(hai)
        self.task_id = task_id
        self._previous = previous
        self._ranks = "all"
        self._range = "0"
        self._reader: LogReader | None = None
        self._generation = 0
        self._ended = ""
        self._seeks = False  # a match is to be shown as soon as all was searched
        self.log_view = LogView(hai, id="log")

    def compose_main(self) -> ComposeResult:
        yield self.log_view

    @property
    def main(self) -> Lines:
        return self.log_view

    def on_mount(self) -> None:
        self._open()

    def on_unmount(self) -> None:
        if self._reader is not None:
            self._reader.stop()

    # reading

    def _query(self) -> Mapping[str, Any]:
        query: dict[str, Any] = {"rank": self._ranks, "follow": 0 if self._previous else 1}
        if self._previous:
            query["prev"] = 1
        if self._range == "0":
            query["tail"] = TAIL
        seconds = _SINCE_SECONDS.get(self._range)
        if seconds is not None:
            query["since"] = rfc3339(self.hai.server_now() - seconds, "auto")
        return query

    def _open(self) -> None:
        """Read anew, with the ranks and the range that are chosen now."""
        if self._reader is not None:
            self._reader.stop()
        self._generation += 1
        self._ended = ""
        view = self.log_view
        view.clear()
        view.follows = True
        view.shows_ranks = not self._ranks.isdigit()
        if view.search is not None:
            view.look_for(Search(view.search.pattern))
        self._reader = LogReader(
            self.hai.client,
            self.post_message,
            task_id=self.task_id,
            query=self._query(),
            generation=self._generation,
        )
        self._reader.start()
        self.renew()

    @on(LogReader.LinesArrived)
    def _lines_arrived(self, message: LogReader.LinesArrived) -> None:
        if message.generation != self._generation or self._reader is None:
            return
        self.log_view.add(message.lines)
        self._reader.taken()
        self._search_on()

    @on(LogReader.Noted)
    def _noted(self, message: LogReader.Noted) -> None:
        if message.generation != self._generation:
            return
        if message.is_end:
            self._ended = message.text
        self.log_view.note(message.text)
        self._search_on()
        self.renew()

    def tick(self) -> None:
        self.renew()

    # what is shown

    def title_line(self, width: int) -> Line:
        view = self.log_view
        task = self.hai.model.tasks.get(self.task_id)
        line: Line = [(f" logs {self.task_id}", "title")]
        if task is not None:
            line.append((f" {task.name} {task.state}", "dim"))
        line.append((f"  rank {self._ranks}", ""))
        for word, is_on in (
            ("before the last attempt", self._previous),
            ("follow", view.follows and not self._ended),
            ("wrap", view.wraps),
            ("time", view.shows_times),
        ):
            if is_on:
                line.append((f"  {word}", "run"))
        line.append((f"  {count_of(len(view.buffer.lines), 'line')}", "dim"))
        if view.search is not None:
            line.append((f"  /{view.search.pattern.pattern} {self._matches()}", "wait"))
        if self.filter_error:
            line.append((f"  {self.filter_error}", "bad"))
        return line

    def _matches(self) -> str:
        search, found = self.log_view.search, self.log_view.found
        if search is None:
            return ""
        more = "+" if search.next < self.log_view.buffer.end else ""
        place = f"{search.place(found)}/" if found is not None else ""
        return f"{place}{len(search.hits):,}{more} matching"

    # searching

    def action_filter(self) -> None:
        search = self.log_view.search
        text = search.pattern.pattern if search else ""
        self.ask("search", "search: regular expression; n and N go on", self._seek, text=text)

    @on(Prompt.Typed)
    def _search_typed(self, message: Prompt.Typed) -> None:
        if message.kind == "search":
            self._look_for(message.text)

    @on(Prompt.Entered)
    def _search_left(self, message: Prompt.Entered) -> None:
        if message.kind == "search" and message.text is None:
            self._look_for("")

    def _look_for(self, text: str) -> None:
        self.filter_error = ""
        self._seeks = False
        known = self.log_view.search
        if known is not None and known.pattern.pattern == text:
            return
        try:
            search = Search(expression(text)) if text else None
        except InvalidInput as error:
            self.filter_error = error.message
        else:
            self.log_view.look_for(search)
            self._search_on()
        self.renew()

    def _seek(self, text: str) -> None:
        self._look_for(text)
        self._seeks = True
        self._search_on()

    def _search_on(self) -> None:
        """Search a part, let keys be heard, search on."""
        view = self.log_view
        if view.search is not None and view.search.step(view.buffer):
            self.set_timer(0.005, self._search_on)
        elif self._seeks:
            self._seeks = False
            view.go_to_match(forward=False)
        self.title_status.renew()

    def action_next_match(self) -> None:
        self.log_view.go_to_match(forward=True)
        self.renew()

    def action_last_match(self) -> None:
        self.log_view.go_to_match(forward=False)
        self.renew()

    # actions

    def action_follow(self) -> None:
        view = self.log_view
        if view.follows:
            view.follows = False
        else:
            view.action_last()
        self.renew()

    def action_wrap(self) -> None:
        self.log_view.toggle_wrap()
        self.renew()

    def action_times(self) -> None:
        self.log_view.shows_times = not self.log_view.shows_times
        self.log_view.reshape()
        self.renew()

    def action_left(self) -> None:
        self.log_view.sideways(-1)

    def action_right(self) -> None:
        self.log_view.sideways(1)

    def action_rank(self) -> None:
        self.ask("rank", "which ranks: all, 0, or like 0,2-3", self._choose_ranks)

    def _choose_ranks(self, text: str) -> None:
        wanted = text.replace(" ", "")
        if not _RANKS.fullmatch(wanted):
            self.hai.say(f"{text!r} names no ranks: all, 0, or like 0,2-3", "warn")
            return
        self._ranks = wanted
        self._open()

    def action_range(self, number: str) -> None:
        self._range = number
        self._open()

    def action_previous(self) -> None:
        self._previous = not self._previous
        self._open()

    def action_copy(self) -> None:
        self.app.copy_to_clipboard(str(self.task_id))
        self.hai.say(f"copied: {self.task_id}", "run")

    def action_save(self) -> None:
        self.hai.write_file(f"task-{self.task_id}", self.log_view.text(), suffix="log")

    def action_dump(self) -> None:
        self.action_save()

    def action_pager(self) -> None:
        self.hai.page_text("".join(printable(line) + "\n"
                                   for line in self.log_view.text().splitlines()))  # fmt: skip

    def action_back(self) -> None:
        if self.log_view.search is not None:
            self._look_for("")
        else:
            super().action_back()

    def cli_equivalent(self) -> str:
        words = f"hai-cli logs {self.task_id} -r {self._ranks}"
        return words + (" --prev" if self._previous else " -f")

    def dumped(self) -> str:
        return self.log_view.text()
