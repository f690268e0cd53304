"""What the event log says of a log that stands still: the agent tells it as its worker's detail."""

from collections.abc import Sequence

from hai.core.lifecycle.transitions import event
from hai.core.task import EventDraft, Task, Worker

STOPPED = "the log has stopped"  # how the detail of a worker begins whose log stands still


def log_events(
    task: Task, before: Sequence[Worker], after: Sequence[Worker], now: float
) -> tuple[EventDraft, ...]:
    """One for each rank whose log has stopped, or goes on."""
    events = []
    for old, new in zip(before, after, strict=True):
        was, is_now = old.detail.startswith(STOPPED), new.detail.startswith(STOPPED)
        if was == is_now or new.state.is_over:
            continue
        kind = "log_stopped" if is_now else "log_resumed"
        why = f"rank {new.rank}: {new.detail or 'its log goes on'}"
        events.append(event(task, kind, "agent", now, why=why))
    return tuple(events)
