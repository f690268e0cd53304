"""What the platform wants of its containers, on disk."""

import fcntl
import threading
from pathlib import Path

import pytest

from hai.core.task import WorkerKey
from hai.core.types import TaskId
from hai.errors import Unavailable
from hai.launcher.docker.records import DockerRecord, Records

KEY, OTHER = WorkerKey(TaskId(7), 1, 0), WorkerKey(TaskId(7), 1, 1)


def test_the_platforms_id_is_made_once(tmp_path: Path) -> None:
    first = Records(tmp_path / "docker").open()
    assert len(first) == 8
    assert Records(tmp_path / "docker").open() == first
    (tmp_path / "docker" / "platform").write_text("")  # of a process that died in the middle
    again = Records(tmp_path / "docker").open()
    assert again
    assert again == Records(tmp_path / "docker").open()


def test_marks_of_a_worker(tmp_path: Path) -> None:
    records = Records(tmp_path)
    records.open()
    assert records.get(KEY) is None
    records.make(KEY)
    assert records.all() == {KEY: DockerRecord()}
    records.start(KEY)
    records.cancel(OTHER)  # before its launch
    assert records.all() == {
        KEY: DockerRecord(is_started=True),
        OTHER: DockerRecord(is_cancelled=True),
    }
    assert records.get(OTHER) == DockerRecord(is_cancelled=True)
    for key in (KEY, OTHER, KEY):
        records.remove(key)
    assert records.all() == {}


def test_a_disk_that_refuses_is_no_loss(tmp_path: Path) -> None:
    records = Records(tmp_path)
    records.open()
    for path in (tmp_path / "workers").iterdir():
        path.unlink()
    (tmp_path / "workers").rmdir()
    with pytest.raises(Unavailable, match="cannot be used"):
        records.all()


def test_the_lock_is_held_by_one(tmp_path: Path) -> None:
    records, other = Records(tmp_path), Records(tmp_path)
    records.open()
    order: list[str] = []

    def second() -> None:
        with other.lock():
            order.append("second")

    with records.lock():
        thread = threading.Thread(target=second)
        thread.start()
        with (tmp_path / "lock").open() as held, pytest.raises(BlockingIOError):
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        order.append("first")
    thread.join()
    assert order == ["first", "second"]
