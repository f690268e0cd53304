"""Empties the platform before it goes down: every running task is suspended and will resume."""

from hai.core import lifecycle
from hai.core.identity import User
from hai.errors import Conflict
from hai.ports import Bus, Clock, Store
from hai.service.access import require_admin
from hai.service.board import Board
from hai.service.signals import announce


class Vacating:
    """Pauses scheduling in this process and gives notice to all that runs."""

    def __init__(self, store: Store, bus: Bus, clock: Clock, board: Board) -> None:
        self._store = store
        self._bus = bus
        self._clock = clock
        self._board = board

    async def vacate(self, admin: User) -> int:
        """Tasks that still hold nodes; call it until it answers 0."""
        require_admin(admin, "taking the platform down")
        self._board.paused = True
        tasks = await self._store.active_tasks()
        changes = []
        for task in tasks:
            try:
                change = lifecycle.suspend(
                    task,
                    actor=admin.name,
                    why="the platform is going down",
                    hold=False,
                    now=self._clock.now(),
                )
            except Conflict:  # it is stopping, which frees its nodes as well
                continue
            if change is not None:
                changes.append(change)
        if changes:
            await announce(self._bus, await self._store.save(changes))
        return len(tasks)
