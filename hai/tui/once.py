"""The dashboard as plain lines, for scripts and reports: `hai top --once`. Needs no terminal."""

from hai.tui.cluster_lines import group_line
from hai.tui.columns import header, laid_out, row_line
from hai.tui.facts import Facts
from hai.tui.glyphs import Glyphs
from hai.tui.model import Model, in_order
from hai.tui.present import TASK_COLUMNS, Context
from hai.tui.text import Line, count_of


def once_lines(model: Model, now: float, width: int, glyphs: Glyphs) -> list[Line]:
    """Sums, one line per group, then the queue in the order of service."""
    facts = Facts.of(model)
    total = facts.total
    lines: list[Line] = [
        [
            (f"{total.free}/{total.nodes} nodes free, ", ""),
            (f"{total.gpus - total.gpus_busy}/{total.gpus} GPUs free, ", ""),
            (f"{count_of(total.running, 'task')} running, {total.waiting:,} waiting", ""),
        ]
    ]
    lines += [group_line(group, model, width, glyphs) for group in facts.groups]
    layout = laid_out(TASK_COLUMNS, width)
    lines += [[], [(header(layout, "", ""), "head")]]
    context = Context(now, model.user, glyphs, facts.holders, model.usage)
    tasks = in_order(task for task in model.tasks.values() if not task.is_final)
    return lines + [row_line(task, context, layout, glyphs.more) for task in tasks]
