"""The logs loop: keeps the logs of all users within bounds.

Logs of tasks that ended long ago go, and so do the oldest ended ones of a user who has more than
a user may. If that is not enough, the ranks of the user's active tasks are told to keep less; each
agent keeps the newest of its log. When the disk itself gets full, agents stop writing by
themselves (hai/agent/room.py): this loop says so in the event log.
"""

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol

import structlog

from hai.core.logdirs import common_dir
from hai.core.task import EventDraft
from hai.core.types import TaskId, UserName
from hai.ports import Bus, Clock, EventLog, Identity, Leading, Tasks, Watch
from hai.service.logsizes import LogRoom, log_room, remove_logs, size_of, task_folders
from hai.service.signals import EVENTS, ration_key
from hai.wording.logs import RESUMED, rationed_text, too_much_text, too_old_text

log = structlog.get_logger("hai.logs")

_RUN_SECONDS = 10.0
_SETTLED_SECONDS = 60.0  # after a task's end nobody writes its log any more
_RATION_SECONDS = 60.0  # that agents go by what they were told
_LEAST_RATION_BYTES = 64 * 1024
_LIFTED = 0.8  # of the quota: below that, rations end
_AT_ONCE = 200  # tasks whose logs one run removes


@dataclass(frozen=True, slots=True)
class LogBounds:
    """`user_bytes`: kept of all tasks of a user; `reserve_bytes`: free on the logs' disk."""

    user_bytes: int
    keep_seconds: float
    reserve_bytes: int


@dataclass(frozen=True, slots=True)
class _Kept:
    """A task's logs. `ended_at` None: it goes on."""

    task_id: TaskId
    user: UserName
    folder: Path
    bytes: int
    ended_at: float | None


class LogKeepingStore(Identity, Tasks, Watch, EventLog, Leading, Protocol):
    """What is needed of the store here."""


class LogKeeping:
    """One run measures what is new, removes what is too much, and says whether there is room."""

    def __init__(
        self, store: LogKeepingStore, bus: Bus, clock: Clock, log_dir: Path, bounds: LogBounds
    ) -> None:
        self._store = store
        self._bus = bus
        self._clock = clock
        self._log_dir = log_dir
        self._bounds = bounds
        self._settled: dict[TaskId, _Kept] = {}  # ended, so measured once
        self._had_room = True
        self._rationed: set[UserName] = set()

    async def run_once(self) -> float:
        """Seconds until the next run."""
        if not await self._store.lead():
            self._settled.clear()
            return _RUN_SECONDS
        await self._look_at_disk()
        kept = await self._measure()
        kept = await self._remove_old(kept)
        by_user: dict[UserName, list[_Kept]] = defaultdict(list)
        for one in kept:
            by_user[one.user].append(one)
        for user, mine in by_user.items():
            await self._bound(user, mine)
        self._rationed &= by_user.keys()
        return _RUN_SECONDS

    async def _look_at_disk(self) -> None:
        reserve = self._bounds.reserve_bytes
        try:
            room = await asyncio.to_thread(log_room, common_dir(self._log_dir), reserve)
        except OSError as error:
            log.warning("log_disk_silent", error=str(error))
            return
        if room.is_there != self._had_room:
            self._had_room = room.is_there
            await self._tell_room(room)

    async def _tell_room(self, room: LogRoom) -> None:
        kind = "logs.resumed" if room.is_there else "logs.stopped"
        why = room.text or RESUMED
        log.warning(kind.replace(".", "_"), free=room.free, need=room.need)
        await self._tell([EventDraft(kind=kind, actor="logs", at=self._clock.now(), why=why)])

    async def _measure(self) -> list[_Kept]:
        users = [user.name for user in await self._store.users()]
        folders = await asyncio.to_thread(lambda: list(task_folders(self._log_dir, users)))
        new = [one for one in folders if one.task_id not in self._settled]
        owners = await self._store.owners([one.task_id for one in new])
        there = {one.task_id for one in folders}
        self._settled = {key: one for key, one in self._settled.items() if key in there}
        kept = list(self._settled.values())
        sizes = await asyncio.to_thread(lambda: [size_of(one.path) for one in new])
        for (user, task_id, folder), size in zip(new, sizes, strict=True):
            owner, ended_at = owners.get(task_id, (None, None))
            if owner is None or user not in ("", owner):
                continue  # nobody's, or in somebody else's folder
            one = _Kept(task_id, owner, folder, size, ended_at)
            kept.append(one)
            if ended_at is not None and self._clock.now() - ended_at > _SETTLED_SECONDS:
                self._settled[task_id] = one
        return kept

    async def _remove_old(self, kept: Sequence[_Kept]) -> list[_Kept]:
        oldest = self._clock.now() - self._bounds.keep_seconds
        days = self._bounds.keep_seconds / 86400
        why = too_old_text(days)
        old = [one for one in kept if one.bytes and (one.ended_at or oldest) < oldest]
        gone = await self._remove(old[:_AT_ONCE], why)
        return [one for one in kept if one.task_id not in gone]

    async def _bound(self, user: UserName, mine: Iterable[_Kept]) -> None:
        most = self._bounds.user_bytes
        total = sum(one.bytes for one in mine)
        if total > most:
            ended = sorted(
                (one for one in mine if one.ended_at is not None), key=lambda one: one.ended_at or 0
            )
            chosen: list[_Kept] = []
            left = total
            for one in ended[:_AT_ONCE]:
                if left <= most:
                    break
                chosen.append(one)
                left -= one.bytes
            why = too_much_text(user, most)
            gone = await self._remove(chosen, why)
            total -= sum(one.bytes for one in chosen if one.task_id in gone)
        await self._ration(user, [one for one in mine if one.ended_at is None], total)

    async def _ration(self, user: UserName, active: Sequence[_Kept], total: int) -> None:
        """What each rank of the user's active tasks may keep, while all is too much."""
        most = self._bounds.user_bytes
        if total <= most * (_LIFTED if user in self._rationed else 1.0) or not active:
            self._rationed.discard(user)
            return
        tasks = await self._store.tasks([one.task_id for one in active])
        ranks = sum(task.nodes for task in tasks if task.state.is_active) or 1
        room = most - (total - sum(one.bytes for one in active))
        each = max(_LEAST_RATION_BYTES, int(room * _LIFTED) // ranks)
        await self._bus.put_live(ration_key(user), {"bytes": each}, _RATION_SECONDS)
        if user not in self._rationed:
            self._rationed.add(user)
            why = rationed_text(user, total, most, each)
            now = self._clock.now()
            await self._tell(
                [EventDraft(kind="logs.limited", actor="logs", at=now, user=user, why=why)]
            )

    async def _remove(self, chosen: Sequence[_Kept], why: str) -> set[TaskId]:
        """Those whose logs are gone."""
        gone: set[TaskId] = set()
        events = []
        for one in chosen:
            now = self._clock.now()
            try:
                freed = await asyncio.to_thread(partial(remove_logs, one.folder, why, now))
            except OSError as error:  # as where users own their folders, and the server is nobody
                log.warning("log_kept", task=one.task_id, error=str(error))
                continue
            gone.add(one.task_id)
            self._settled.pop(one.task_id, None)
            if freed:
                events.append(_removed(one, f"{why} ({freed >> 10:,} KiB)", now))
        await self._tell(events)
        return gone

    async def _tell(self, events: Sequence[EventDraft]) -> None:
        if events:
            await self._store.append(events)
            await self._bus.publish(EVENTS)


def _removed(one: _Kept, why: str, now: float) -> EventDraft:
    return EventDraft(
        kind="task.logs_removed",
        actor="logs",
        at=now,
        task_id=one.task_id,
        user=one.user,
        why=why,
    )
