"""How much room logs take: sizes and removals by task. It blocks on the disk."""

import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from hai.core.logdirs import USER, is_user_part
from hai.core.moments import log_time
from hai.core.types import TaskId
from hai.service.logfiles import end_position, segments
from hai.wording.logs import stopped_text

MOST_SHARE = 20  # of a small disk no more than this part of it is left to the platform


@dataclass(frozen=True, slots=True)
class LogRoom:
    """Of the disk that the logs are on, in bytes: `need` stays free for the platform."""

    free: int
    need: int

    @property
    def is_there(self) -> bool:
        return self.free >= self.need

    @property
    def text(self) -> str:
        """For people; "" while logs are written."""
        return "" if self.is_there else stopped_text(self.free, self.need)


def log_room(folder: Path, reserve_bytes: int) -> LogRoom:
    """OSError when the disk does not answer."""
    disk = shutil.disk_usage(folder)
    return LogRoom(disk.free, min(reserve_bytes, disk.total // MOST_SHARE))


class LogFolder(NamedTuple):
    """`user`: whose folder it lies in, "" where users have none of their own."""

    user: str
    task_id: TaskId
    path: Path


def task_folders(log_dir: Path, users: Iterable[str]) -> Iterator[LogFolder]:
    """Everything that looks like a task's logs. Where users have folders of their own, links there
    are not followed."""
    roots = [("", log_dir)]
    if USER in str(log_dir):
        roots = [(u, Path(str(log_dir).replace(USER, u))) for u in users if is_user_part(u)]
    for user, root in roots:
        with suppress(FileNotFoundError, NotADirectoryError, PermissionError):
            if user and root.is_symlink():
                continue
            with os.scandir(root) as entries:
                for entry in entries:
                    is_task = entry.name.isascii() and entry.name.isdigit()
                    if is_task and len(entry.name) < 19 and entry.is_dir(follow_symlinks=False):
                        yield LogFolder(user, TaskId(int(entry.name)), root / entry.name)


def size_of(folder: Path) -> int:
    """Bytes of the segments of all attempts of a task."""
    total = 0
    for attempt in _attempts(folder):
        with suppress(OSError), os.scandir(attempt) as entries:
            for entry in entries:
                with suppress(OSError):
                    total += entry.stat(follow_symlinks=False).st_size
    return total


def remove_logs(folder: Path, why: str, now: float) -> int:
    """Remove the segments of all attempts of a task; each rank's log ends with a line that says
    `why`. How many bytes are free now."""
    freed = 0
    for attempt in _attempts(folder):
        for rank, mine in segments(attempt).items():
            end = end_position(mine)
            line = f"[{log_time(now)}] [hai] {why}\n".encode()
            mark = attempt / f"{rank}.{end:020d}.log"
            if len(mine) == 1 and end - mine[0].offset <= 2 * len(line):
                continue  # a mark, or next to nothing
            for segment in mine:
                with suppress(FileNotFoundError):
                    freed += segment.path.lstat().st_size
                    segment.path.unlink()
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
            with os.fdopen(os.open(mark, flags, 0o640), "wb") as file:
                file.write(line)
                with suppress(OSError):  # whose the log was may read the mark
                    os.fchown(file.fileno(), attempt.lstat().st_uid, attempt.lstat().st_gid)
    return freed


def _attempts(folder: Path) -> Iterator[Path]:
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.isdigit() and entry.is_dir(follow_symlinks=False):
                yield folder / entry.name
