"""What the program says in its control directory, passed on to the server, and the answers."""

from __future__ import annotations

import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from hai.agent.control import Control
    from hai.agent.sync import ServerSync

CHECKPOINT_SECONDS = 5.0  # checkpoints that follow each other sooner go out with the heartbeat


class Dialogue:
    """`is_acked` and `is_saved` are the program's words in the suspend handshake."""

    def __init__(self, control: Control, link: ServerSync, say: Callable[[str], None]) -> None:
        self._control = control
        self._link = link
        self._say = say
        self._requests: dict[str, dict[str, Any]] = {}
        self._checkpoint_at: float | None = None
        self._checkpoint_told = -CHECKPOINT_SECONDS  # monotonic
        self.is_acked = self.is_saved = False

    def run_once(self) -> None:
        """Pass on what is new in both directions."""
        acked, saved = self.words()
        if (acked, saved) != (self.is_acked, self.is_saved):
            self.is_acked, self.is_saved = acked, saved
            self._link.tell(acked=acked, saved=saved)
        self.read_checkpoint()
        for reply in self._link.take_replies():
            self._answer(reply)
        new = self._control.requests(self._requests)
        if new:
            self._requests.update((request["id"], request) for request in new)
            self._link.tell(requests=list(self._requests.values()))

    def words(self) -> tuple[bool, bool]:
        """Whether the program has seen the notice, and whether it has saved, now."""
        saved = self._control.is_saved
        return self._control.is_acked or saved, saved

    def read_checkpoint(self) -> None:
        checkpoint = self._control.checkpoint(self._checkpoint_at)
        if checkpoint is None:
            return
        self._checkpoint_at = checkpoint["at"]
        now = time.monotonic()
        if now - self._checkpoint_told >= CHECKPOINT_SECONDS:
            self._checkpoint_told = now
            self._link.tell(checkpoint=checkpoint)
        else:
            self._link.note(checkpoint=checkpoint)

    def _answer(self, reply: dict[str, Any]) -> None:
        request = self._requests.pop(str(reply.get("id")), None)
        if request is None:
            return
        self._link.note(requests=list(self._requests.values()))
        ok = bool(reply.get("ok"))
        try:
            if ok and request["op"] == "set_whole_life_state":
                self._control.put_whole_life_state(int(request["value"]))
            self._control.reply(request["id"], ok, str(reply.get("error") or ""))
        except (OSError, TypeError, ValueError) as error:
            self._say(f"an answer to the program could not be written: {error}")
