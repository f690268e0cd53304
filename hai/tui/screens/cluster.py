"""Groups, the last hour, and every node: as a heat map of who holds what, or as a table."""

from collections.abc import Sequence
from typing import ClassVar

from textual import events, on, work
from textual.app import ComposeResult
from textual.binding import BindingType

from hai.errors import HaiError
from hai.tui.bindings import bindings_of
from hai.tui.cluster_lines import (
    group_lines,
    history_lines,
    legend,
    room_of,
    room_text,
    user_letters,
)
from hai.tui.columns import header, laid_out, row_line, shortened
from hai.tui.consequences import NEWER, drain_question, is_missing_route, named
from hai.tui.dashboard import Dashboard
from hai.tui.model import DashboardNode, DashboardTask, Holders
from hai.tui.pages import usage_text
from hai.tui.present import NODE_COLUMNS, next_of, node_labels, node_state
from hai.tui.screens.confirm import ConfirmScreen
from hai.tui.text import Line, count_of, plain, size_of
from hai.tui.verbs import TaskVerbs
from hai.tui.widgets.heatmap import HeatMap
from hai.tui.widgets.lines import Lines
from hai.tui.widgets.status_lines import StatusLine
from hai.tui.widgets.table import Table

_GROUPS_SHOWN = 6
_HISTORY_FROM_HEIGHT = 16
_LEGEND_FROM_HEIGHT = 12
_CAPACITY_FROM_HEIGHT = 20
_SICK_FIRST = {"down": 0, "suspect": 1, "drained": 2, "cordoned": 3}


class ClusterScreen(TaskVerbs):
    view = "cluster"
    BINDINGS: ClassVar[list[BindingType]] = bindings_of("cluster")

    def __init__(self, hai: Dashboard, filter: str = "") -> None:
        super().__init__(hai, filter)
        self._is_table = False
        self._shown: Sequence[DashboardNode] = ()
        self._chosen_by: tuple[int, str] = (-1, "")
        self.heat = HeatMap(hai, id="heat")
        self.table = Table(hai, NODE_COLUMNS, id="nodes")
        self._groups_status = StatusLine(hai, self._groups, id="groups")
        self._history_status = StatusLine(hai, self._history, id="history")
        self._detail_status = StatusLine(hai, self._detail, id="detail")

    def compose_main(self) -> ComposeResult:
        yield self._groups_status
        yield self._history_status
        yield self.heat
        self.table.display = False
        yield self.table
        yield self._detail_status

    def on_mount(self) -> None:
        self._share_room(self.size.height)

    def on_resize(self, event: events.Resize) -> None:
        self._share_room(event.size.height)

    def _share_room(self, height: int) -> None:
        """The nodes come first: on a low terminal the history goes, then what else is not them."""
        groups = len(self.hai.totals.groups)
        self._groups_status.styles.height = max(1, min(_GROUPS_SHOWN, groups, height - 9))
        self._history_status.styles.height = 3
        self._history_status.display = height >= _HISTORY_FROM_HEIGHT
        lines = 2 if height >= _LEGEND_FROM_HEIGHT else 1
        self._detail_status.styles.height = 3 if height >= _CAPACITY_FROM_HEIGHT else lines

    @property
    def main(self) -> Lines:
        return self.table if self._is_table else self.heat

    # what is shown

    def show_model(self) -> None:
        self._share_room(self.size.height)
        holders = self.hai.totals.holders
        nodes = self._nodes_meant()
        if self._is_table:
            context = self.hai.context()
            column = next((c for c in NODE_COLUMNS if c.letter == self.table.sorted_by), None)
            if column is not None and column.sort is not None:
                nodes = sorted(nodes, key=column.sort, reverse=self.table.is_reversed)
            self.table.hint = self._empty_hint(nodes)
            self.table.show(nodes, [node.name for node in nodes], context)
        else:
            self.heat.hint = self._empty_hint(nodes)
            self.heat.show(nodes, holders)
        self.renew()

    def _empty_hint(self, nodes: Sequence[DashboardNode]) -> str:
        if nodes:
            return ""
        if self.hai.model.received_at is None:
            return "connecting to the server ..."
        if self.hai.model.nodes:
            return "no node matches; escape clears the filter"
        return "there are no nodes yet"

    def _nodes_meant(self) -> Sequence[DashboardNode]:
        """Nodes that match the filter, the sick ones first in the table; the same list as long as
        nothing changed."""
        model = self.hai.model
        if (model.version, self.filter_used) != self._chosen_by:
            self._chosen_by = (model.version, self.filter_used)
            nodes = list(model.nodes.values())
            matches = self.matcher()
            if matches is not None:
                context = self.hai.context()
                nodes = [n for n in nodes if matches(_text(n, context.holders.get(n.name, ())),
                                                     node_labels(n, context))]  # fmt: skip
            if nodes != self._shown:
                self._shown = nodes
        if self._is_table:
            return sorted(self._shown, key=lambda node: _SICK_FIRST.get(node.health, 9))
        return self._shown

    def title_line(self, width: int) -> Line:
        total = self.hai.totals.total
        shown = len(self._nodes_meant())
        found = f"{shown:,} of " if self.filter_used.strip() else ""
        line: Line = [(" cluster", "title"), (f"  {found}{count_of(total.nodes, 'node')}", "dim")]
        sick = ", ".join(f"{count} {name}" for name, count in sorted(total.health.items()))
        if sick:
            line.append((f"  {sick}", "warn"))
        if self.filter.strip():
            line.append((f"  /{self.filter}", "bad" if self.filter_error else "wait"))
        if self.filter_error:
            line.append((f"  {self.filter_error}", "bad"))
        server = self.hai.model.server
        if server.get("paused"):
            line.append(("  starts nothing: it is being taken down", "alert"))
        return line

    def _groups(self, width: int) -> list[Line]:
        hai = self.hai
        groups = sorted(hai.totals.groups, key=lambda group: -group.nodes)[:_GROUPS_SHOWN]
        lines = group_lines(groups, hai.model, width - 1, hai.glyphs)
        return [shortened([(" ", ""), *line], width, hai.glyphs.more) for line in lines]

    def _history(self, width: int) -> list[Line]:
        hai = self.hai
        lines = history_lines(hai.model, hai.totals.groups, width - 2, hai.glyphs)
        return [[(" ", ""), *line] for line in lines]

    def _detail(self, width: int) -> list[Line]:
        """The node under the cursor, what it has and uses, and whose letters are whose: in two
        lines, or in three where there is room."""
        hai = self.hai
        node = self.node_meant()
        holders = hai.totals.holders
        work: Line = []
        rest: Line = []
        if node is not None:
            state, role = node_state(node, hai.context())
            work = [(f" {node.name}", "title"), (f"  {state}", role)]
            work += _work(self.holders_meant(), hai.server_now())
            rest = [(f"  {_capacity(node, self.holders_meant())}", "dim")]
            rest.append((f"  {usage_text(hai.model.usage.get(node.name, {}))}", "run"))
            rest.append((f"  {node.health_why}", "warn"))
        letters: Line = [(" ", ""), *legend(user_letters(holders), holders)]
        is_high = self.size.height >= _CAPACITY_FROM_HEIGHT
        lines = [work, rest, letters] if is_high else [[*work, *rest], letters]
        return [shortened(line, width, hai.glyphs.more) for line in lines]

    # what is meant

    def node_meant(self) -> DashboardNode | None:
        if self._is_table:
            current: DashboardNode | None = self.table.current
            return current
        return self.heat.current

    def holders_meant(self) -> Holders:
        node = self.node_meant()
        return () if node is None else self.hai.totals.holders.get(node.name, ())

    def nothing_meant(self) -> str:
        tasks = self.holders_meant()
        if len(tasks) < 2:
            return super().nothing_meant()
        return f"{count_of(len(tasks), 'task')} share this node: enter shows them"

    def task_meant(self) -> DashboardTask | None:
        """None where several share the node: enter shows them, to choose from."""
        tasks = self.holders_meant()
        return tasks[0] if len(tasks) == 1 else None

    def tasks_meant(self) -> Sequence[DashboardTask]:
        task = self.task_meant()
        return [] if task is None else [task]

    def tick(self) -> None:
        if self._is_table:
            self.table.context = self.hai.context()
            self.table.forget()
        self.renew()

    @on(Lines.Moved)
    def _cursor_moved(self) -> None:
        self.renew()

    @on(Lines.Chosen)
    def _row_chosen(self) -> None:
        self.action_open()

    # actions

    def action_open(self) -> None:
        """The task there; of a node that several share, the queue with these."""
        tasks = self.holders_meant()
        if len(tasks) > 1:
            self.hai.go("queue", f"^({'|'.join(str(task.id) for task in tasks)}) ")
        elif (task := self._one()) is not None:
            self.hai.open_task(task.id)

    def action_table(self) -> None:
        self._is_table = not self._is_table
        self.table.display, self.heat.display = self._is_table, not self._is_table
        self.set_focus(self.main)
        self.show_model()

    def action_sort(self, letter: str) -> None:
        table = self.table
        if not self._is_table:
            self.action_table()
        table.is_reversed = table.sorted_by == letter and not table.is_reversed
        table.sorted_by = letter
        self.show_model()

    def action_left(self) -> None:
        if not self._is_table:
            self.heat.action_left()

    def action_right(self) -> None:
        if not self._is_table:
            self.heat.action_right()

    def action_drain(self) -> None:
        node = self.node_meant()
        if not self.hai.model.is_admin:
            self.hai.say("only an admin may do that: drain a node or take it back", "warn")
            return
        if node is None:
            return
        if node.health != "ready":
            self._change_node(node, "")
            return
        label = f"why is {node.name} drained? (Enter for no reason)"
        self.ask("drain", label, lambda why: self._change_node(node, why.strip()))

    @work(group="act")
    async def _change_node(self, node: DashboardNode, why: str) -> None:
        route, question = drain_question(node, self.hai.totals.holders.get(node.name, ()), why)
        if not await self.app.push_screen_wait(ConfirmScreen(question)):
            self.hai.say("nothing was changed")
            return
        body = {"why": why} if route == "node_drain" else None
        try:
            await self.hai.call(route, body=body, name=node.name)
        except HaiError as error:
            self.hai.tell(HaiError(NEWER) if is_missing_route(error) else error)
            return
        self.hai.say(f"{node.name}: {'drained' if body else 'takes tasks again'}", "run")

    def cli_equivalent(self) -> str:
        return "hai-cli nodes -o wide" if self._is_table else "hai-cli nodes --tree"

    def dumped(self) -> str:
        context = self.hai.context()
        layout = laid_out(NODE_COLUMNS, 160)
        rows = [row_line(node, context, layout, "~") for node in self._nodes_meant()]
        return plain([*self._groups(160), [], [(header(layout, "", ""), "")], *rows])


def _text(node: DashboardNode, tasks: Holders) -> str:
    work = " ".join(f"{task.id} {task.name} {task.user}" for task in tasks)
    return f"{node.name} {node.group} {node.health} {node.health_why} {node.leaf} {work}"


def _capacity(node: DashboardNode, tasks: Holders) -> str:
    """What it has, and how much of that is free where containers share it."""
    parts = [node.group, f"{node.gpus} GPUs"]
    parts += [f"{node.cpus:g} CPUs"] if node.cpus else []
    parts += [size_of(node.memory_bytes)] if node.memory_bytes else []
    parts += [node.leaf] if node.leaf else []
    room = room_of(node, tasks)
    free = f"; {room_text(room)} free" if room is not None else ""
    return ", ".join(parts) + free


def _work(tasks: Holders, now: float) -> Line:
    if not tasks:
        return []
    if len(tasks) > 1:
        return [(f"  {', '.join(f'{task.id} {task.name} of {task.user}' for task in tasks)}", "")]
    task = tasks[0]
    following, role = next_of(task, now)
    line: Line = [(f"  {named(task)}, {task.priority}", "")]
    return [*line, (f"  {following}", role)] if following else line
