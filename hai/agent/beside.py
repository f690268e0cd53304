"""What lives beside the program, as long as it does: channels into the worker, and services."""

from __future__ import annotations

from hai.agent.services import ServiceProcesses
from hai.agent.sessions import ChannelProcesses

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from hai.agent.environment import ProgramAccount
    from hai.agent.logs import LogWriter
    from hai.agent.spec import WorkerSpec
    from hai.agent.sync import ServerSync


class Beside:
    """Main thread only."""

    def __init__(
        self,
        spec: WorkerSpec,
        account: ProgramAccount,
        environment: dict[str, str],
        log: LogWriter,
        link: ServerSync,
    ) -> None:
        self.channels = ChannelProcesses(spec, account, environment)

        def tell(told: dict[str, Any]) -> None:
            link.tell(services=told)

        self.services = ServiceProcesses(spec, account, environment, log, tell)

    def reaped(self, pid: int, status: int) -> None:
        self.channels.reaped(pid)
        self.services.reaped(pid, status)

    def close(self, now: float) -> bool:
        """True once nothing of it lives."""
        is_closed = self.channels.close(now)
        return self.services.close(now) and is_closed
