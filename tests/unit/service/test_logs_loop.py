"""Which logs are removed, and what is said of it."""

from dataclasses import replace
from pathlib import Path

import pytest

from hai.bus.local import LocalBus
from hai.core.policy import DAY
from hai.core.task import Task, TaskChange
from hai.core.types import TaskState
from hai.service.clock import SystemClock
from hai.service.logfiles import RankTail, merge
from hai.service.logsizes import log_room, size_of, task_folders
from hai.service.loops.logs import LogBounds, LogKeeping
from hai.store.memory import MemoryStore
from tests import factories as make

KIB = 1024


class Site:
    def __init__(self, log_dir: Path, **bounds: float) -> None:
        self.log_dir = log_dir
        self.store = MemoryStore()
        self.clock = SystemClock()
        bus = LocalBus(self.clock)
        kept = {"user_bytes": 100 * KIB, "keep_seconds": 30 * DAY, "reserve_bytes": 0, **bounds}
        self.keeping = LogKeeping(self.store, bus, self.clock, log_dir, LogBounds(**kept))  # type: ignore[arg-type]

    async def task(self, name: str, kib: int, ended_days: float | None) -> Task:
        """A task of alice with so much of a log; `ended_days` ago."""
        (task,) = await self.store.add_tasks([make.task_draft(name=name)], make.NOW)
        assert isinstance(task, Task)
        if ended_days is not None:
            at = self.clock.now() - ended_days * DAY
            ended = replace(task, state=TaskState.SUCCEEDED, ended_at=at)
            (task,) = await self.store.save([TaskChange(ended, ())])
        folder = self.folder(task) / "1"
        folder.mkdir(parents=True)
        line = "[2026-01-01 00:00:00.000000] " + "x" * (KIB - 30) + "\n"
        (folder / f"0.{0:020d}.log").write_text(line * kib)
        return task

    def folder(self, task: Task) -> Path:
        return Path(str(self.log_dir).replace("{user_name}", task.user)) / str(task.id)

    def last_line(self, task: Task) -> str:
        return list(merge([RankTail(self.folder(task) / "1", 0)], final=True))[-1].text

    async def events(self) -> list[tuple[str, int | None]]:
        found = [event.draft for event in await self.store.events(0)]
        return [(d.kind, d.task_id) for d in found if d.actor == "logs"]


@pytest.mark.parametrize("layout", ["logs", "logs/{user_name}/tasks"])
async def test_the_oldest_ended_go_until_the_user_is_within_the_quota(
    tmp_path: Path, layout: str
) -> None:
    site = Site(tmp_path / layout)
    await site.store.add_user(make.user("alice"), make.event())
    young = await site.task("young", 40, 1.0)
    old = await site.task("old", 40, 3.0)
    runs = await site.task("runs", 40, None)
    await site.keeping.run_once()
    assert size_of(site.folder(old)) < KIB
    assert "[hai] this log was removed: the logs of alice had more" in site.last_line(old)
    assert size_of(site.folder(young)) == size_of(site.folder(runs)) == 40 * KIB
    assert await site.events() == [("task.logs_removed", old.id)]
    await site.keeping.run_once()
    assert await site.events() == [("task.logs_removed", old.id)], "once"


async def test_logs_of_tasks_that_ended_long_ago_go(tmp_path: Path) -> None:
    site = Site(tmp_path, keep_seconds=10 * DAY)
    old, young = await site.task("old", 4, 11.0), await site.task("young", 4, 9.0)
    runs = await site.task("runs", 4, None)
    await site.keeping.run_once()
    assert "logs are kept for 10 days" in site.last_line(old)
    assert size_of(site.folder(young)) == size_of(site.folder(runs)) == 4 * KIB
    assert await site.events() == [("task.logs_removed", old.id)]


async def test_a_reader_is_told_what_was_removed(tmp_path: Path) -> None:
    """The mark stands behind all that was there, so that a position means what it meant."""
    site = Site(tmp_path, keep_seconds=DAY)
    task = await site.task("old", 4, 2.0)
    await site.keeping.run_once()
    tail = RankTail(site.folder(task) / "1", 0)
    (mark,) = merge([tail], final=True)
    assert tail.lost_bytes == 4 * KIB
    assert mark.end > 4 * KIB


async def test_what_is_nobodys_or_a_link_is_left_alone(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    (elsewhere / "1" / "1").mkdir(parents=True)
    kept = elsewhere / "1" / "1" / f"0.{0:020d}.log"
    kept.write_bytes(b"x" * 4 * KIB)
    logs = tmp_path / "logs"
    (logs / "999" / "1").mkdir(parents=True)
    stranger = logs / "999" / "1" / f"0.{0:020d}.log"
    stranger.write_bytes(b"x" * 4 * KIB)
    site = Site(logs, keep_seconds=DAY)
    task = await site.task("old", 4, 2.0)
    (site.folder(task) / "2").symlink_to(elsewhere / "1" / "1")
    (logs / "998").symlink_to(elsewhere / "1")
    await site.keeping.run_once()
    assert kept.stat().st_size == stranger.stat().st_size == 4 * KIB
    assert [number for _, number, _ in task_folders(logs, [])] in ([999, 1], [1, 999])


async def test_a_disk_without_room_is_told_once_and_so_is_its_end(tmp_path: Path) -> None:
    disk = log_room(tmp_path, 2**60)
    assert disk.need <= disk.free * 20, "of a disk no more than a part is the platform's"
    site = Site(tmp_path)
    site.keeping._had_room = False  # as if it had been so at the last run
    await site.keeping.run_once()
    await site.keeping.run_once()
    assert await site.events() == [("logs.resumed", None)]
