"""The dashboard as plain lines, for scripts and reports: `hai top --once`. Needs no terminal."""

from collections.abc import Callable, Set

from hai.errors import InvalidInput
from hai.tui.cluster_lines import group_lines
from hai.tui.columns import header, laid_out, row_line
from hai.tui.commands import parse_view
from hai.tui.filters import matcher
from hai.tui.glyphs import Glyphs
from hai.tui.model import Model, in_order
from hai.tui.present import TASK_COLUMNS, Context, task_labels, task_text
from hai.tui.text import Line, count_of
from hai.tui.totals import Totals


def once_filter(text: str) -> Callable[[Model], Set[int]]:
    """Which tasks are printed, by the command that would lead to the screen. InvalidInput when it
    leads to one that is not printed."""
    command = parse_view(text)
    if command.name not in ("cluster", "queue"):
        raise InvalidInput(
            f"--once prints groups and tasks, not {command.name}",
            hint="hai-cli quota list, events, describe and logs print the rest",
        )
    matcher(command.argument)

    def kept(model: Model) -> Set[int]:
        matches = matcher(command.argument.replace("@me", model.user))
        return {
            task.id for task in model.tasks.values() if matches(task_text(task), task_labels(task))
        }

    return kept


def once_lines(model: Model, kept: Set[int], now: float, width: int, glyphs: Glyphs) -> list[Line]:
    """Sums, one line per group, then the tasks that are kept in the order of service."""
    totals = Totals.of(model)
    total = totals.total
    lines: list[Line] = [
        [
            (f"{total.free}/{total.nodes} nodes free, ", ""),
            (f"{total.gpus_free}/{total.gpus} GPUs free, ", ""),
            (f"{count_of(total.running, 'task')} running, {total.waiting:,} waiting", ""),
        ]
    ]
    lines += group_lines(totals.groups, model, width, glyphs)
    layout = laid_out(TASK_COLUMNS, width)
    lines += [[], [(header(layout, "", ""), "head")]]
    context = Context(now, model.user, glyphs, totals.holders, model.usage, model.use_of)
    tasks = in_order(t for t in model.tasks.values() if t.id in kept and not t.is_final)
    return lines + [row_line(task, context, layout, glyphs.more) for task in tasks]
