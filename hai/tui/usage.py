"""What tasks use, in few words. Pure."""

from collections.abc import Mapping

from hai.tui.model import Task
from hai.tui.text import Span


def in_use(task: Task, usage: Mapping[str, Mapping[str, float]]) -> Span:
    """CPU of all its ranks together, in percent of one core, and the mean of its GPUs. `usage`: by
    node."""
    known = [usage[node] for node in task.on if node in usage]
    if not task.is_active or not known:
        return "", ""
    gpus = [figures["gpu_percent"] for figures in known if "gpu_percent" in figures]
    cpu = f"{sum(figures.get('cpu_percent', 0.0) for figures in known):.0f}%"
    return (f"{cpu} gpu {sum(gpus) / len(gpus):.0f}%" if gpus else cpu), "run"
