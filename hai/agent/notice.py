"""The suspend notice: a file for every program, a signal for those that handle it, and the proof
that a program which knows neither has saved when it was told to end."""

from __future__ import annotations

import signal

from hai.agent import checkpoints
from hai.agent.logs import wall_time
from hai.agent.signals import HandlerSignal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from hai.agent.control import Control
    from hai.agent.environment import ProgramAccount
    from hai.agent.program import Program
    from hai.agent.spec import WorkerSpec

LOOK_SECONDS = 0.5  # between looks for processes that have come to handle the signal


class Notice:
    """Given once; what it says holds until the program has left."""

    def __init__(self, spec: WorkerSpec, control: Control, say: Callable[[str], None]) -> None:
        number = getattr(signal, spec.suspend_signal, None)
        is_ours = number in (signal.SIGUSR1, signal.SIGUSR2)
        self._signal = HandlerSignal(int(number)) if is_ours and number is not None else None
        self._spec = spec
        self._control = control
        self._say = say
        self._given_at: float | None = None  # Unix seconds, as the times of files are
        self._looked_at = -LOOK_SECONDS  # monotonic

    @property
    def is_given(self) -> bool:
        return self._given_at is not None

    def give(self, grace_seconds: float) -> None:
        self._given_at = wall_time()
        self._say("suspend notice")
        try:
            self._control.give_notice(grace_seconds)
        except OSError as error:
            self._say(f"the suspend notice could not be written: {error.strerror}")

    def signal_handlers(self, program: Program, now: float) -> None:
        """The signal, once for each process that handles it by now."""
        if self._signal is None or now - self._looked_at < LOOK_SECONDS:
            return
        self._looked_at = now
        count = self._signal.deliver(program.kin())
        if count:
            who = "1 process that handles it" if count == 1 else f"{count} processes that handle it"
            self._say(f"{self._spec.suspend_signal} to {who}")

    def proof(self, account: ProgramAccount) -> str:
        """A file under options.checkpoint that is newer than the notice; "" when there is none."""
        if self._given_at is None or not self._spec.checkpoint:
            return ""
        folder = self._spec.workspace or account.home
        return checkpoints.newer_file(account, folder, self._spec.checkpoint, self._given_at)
