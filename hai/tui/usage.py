"""What tasks use, in few words. Pure."""

from collections.abc import Callable

from hai.tui.model import DashboardTask, Figures
from hai.tui.text import Span

UseOf = Callable[[int, str], Figures | None]  # of a task on a node


def in_use(task: DashboardTask, use_of: UseOf) -> Span:
    """CPU of all its ranks together, in percent of one core, and the mean of its GPUs."""
    found = [use_of(task.id, node) for node in task.on] if task.is_active else []
    known = [figures for figures in found if figures]
    if not known:
        return "", ""
    gpus = [figures["gpu_percent"] for figures in known if "gpu_percent" in figures]
    cpu = f"{sum(figures.get('cpu_percent', 0.0) for figures in known):.0f}%"
    return (f"{cpu} gpu {sum(gpus) / len(gpus):.0f}%" if gpus else cpu), "run"
