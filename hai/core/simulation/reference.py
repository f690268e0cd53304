"""What the policies have in common that only serve for comparison. They count free nodes, know the
true durations, and suspend free of cost."""

from abc import ABC, abstractmethod

from hai.core.simulation.scheduler import Decision, Progress


class Reference(ABC):
    """Free nodes by number; hooks that most of them have no use for."""

    def __init__(self, nodes: int) -> None:
        self.nodes = nodes
        self.free = nodes

    @abstractmethod
    def submit(self, progress: Progress, now: float) -> None: ...

    def finish(self, progress: Progress, now: float) -> None:
        self.free += progress.job.nodes

    @abstractmethod
    def decide(self, now: float) -> Decision: ...

    def freed(self, progress: Progress, now: float) -> None:  # noqa: B027 (only some suspend)
        pass

    def saved(self, progress: Progress, now: float) -> None:  # noqa: B027 (durations are known)
        pass

    def next_due(self) -> float | None:
        return None
