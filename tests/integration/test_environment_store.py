"""Environments on a node's own disk: whole or not at all, bounded, for many workers at once."""

import asyncio
import gzip
import io
import json
import multiprocessing
import os
import signal
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from hai.agent.envstore import EnvironmentStore
from hai.agent.packs import TROUBLE, state_of
from hai.agent.recorded import RecordedEnvironment
from haienv.index import Index
from haienv.promises import changing
from haienv.recording import record
from tests.integration.agent_peer import public_python, searchable_folder, site
from tests.packs import make_pack, record_of
from tests.pythons import python_3_8
from tests.waiting import PATIENCE_SECONDS, wait_until

STRANGER = 64322
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root runs programs as other users")
FORK = multiprocessing.get_context("fork")


def obtain(store: Path, recorded: RecordedEnvironment, limit_bytes: int = 10**9) -> tuple[str, int]:
    return EnvironmentStore(str(store), limit_bytes, wait_seconds=PATIENCE_SECONDS).obtain(recorded)


def entries(store: Path) -> list[str]:
    return sorted(path.name for path in store.iterdir() if path.is_dir())


def test_many_workers_at_once_unpack_it_once(tmp_path: Path) -> None:
    recorded = make_pack(tmp_path, "aaaaaaaaaaaa", kib=2048)

    def work() -> None:
        place, _ = obtain(tmp_path / "store", recorded)
        os._exit(0 if Path(place, "lib", "big").stat().st_size == 2048 * 1024 else 1)

    workers = [FORK.Process(target=work) for _ in range(8)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers] == [0] * 8
    assert entries(tmp_path / "store") == [recorded.folder_name]
    tool = tmp_path / "store" / recorded.folder_name / "bin" / "tool"
    assert os.access(tool, os.X_OK)


def test_what_was_not_used_for_longest_goes_and_never_what_is_in_use(tmp_path: Path) -> None:
    store = tmp_path / "store"
    packs = [make_pack(tmp_path, digit * 12, kib=100) for digit in "abcd"]
    limit = 2 * packs[0].size
    used, lock = obtain(store, packs[0], limit)
    _, other = obtain(store, packs[1], limit)
    os.close(other)
    os.utime(f"{used}.lock", (1, 1))  # the older one, but in use
    _, third = obtain(store, packs[2], limit)
    assert entries(store) == [packs[0].folder_name, packs[2].folder_name]
    with pytest.raises(OSError, match="in use"):
        obtain(store, packs[3], limit)
    assert entries(store) == [packs[0].folder_name, packs[2].folder_name]
    os.close(lock)
    _, fourth = obtain(store, packs[3], limit)
    assert entries(store) == [packs[2].folder_name, packs[3].folder_name]
    with pytest.raises(OSError, match="MiB"):
        obtain(store, packs[0], packs[0].size - 1)
    for handle in (third, fourth):
        os.close(handle)
    assert len(list(store.glob("*.lock"))) == 2


def test_a_worker_that_is_killed_while_it_unpacks_leaves_nothing(tmp_path: Path) -> None:
    store = tmp_path / "store"
    recorded = make_pack(tmp_path, "aaaaaaaaaaaa")
    whole = Path(recorded.pack).read_bytes()
    Path(recorded.pack).unlink()
    os.mkfifo(recorded.pack)  # the pack comes slowly
    worker = FORK.Process(target=obtain, args=(store, recorded))
    worker.start()
    writer = os.open(recorded.pack, os.O_WRONLY)
    os.write(writer, whole[: len(whole) // 2])
    wait_until(lambda: list(store.glob(".*.part")), what="half of it")
    assert worker.pid is not None
    os.kill(worker.pid, signal.SIGKILL)
    worker.join()
    os.close(writer)
    assert not (store / recorded.folder_name).exists()
    Path(recorded.pack).unlink()
    Path(recorded.pack).write_bytes(whole)
    place, lock = obtain(store, recorded)
    os.close(lock)
    assert Path(place, "lib", "big").stat().st_size == 64 * 1024
    assert not list(store.glob(".*.part"))


def hostile(name: str, kind: bytes = tarfile.REGTYPE, target: str = "") -> bytes:
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as tar:
        member = tarfile.TarInfo(name)
        member.type, member.linkname = kind, target
        tar.addfile(member)
    return gzip.compress(data.getvalue())


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(hostile("../outside"), id="above"),
        pytest.param(hostile("/outside"), id="absolute"),
        pytest.param(hostile("lib/x", tarfile.LNKTYPE, "../../outside"), id="hard-link"),
        pytest.param(hostile("lib/x", tarfile.FIFOTYPE), id="fifo"),
        pytest.param(hostile("lib/x")[:-20], id="cut"),
        pytest.param(b"no gzip", id="no-gzip"),
    ],
)
def test_a_pack_that_is_none_is_refused(tmp_path: Path, data: bytes) -> None:
    pack = tmp_path / "aaaaaaaaaaaa.tar.gz"
    pack.write_bytes(data)
    store = tmp_path / "store"
    with pytest.raises(TROUBLE):
        obtain(store, RecordedEnvironment(record_of(pack, tmp_path / "env", 10**6)))
    assert [path.name for path in store.iterdir()] == [".room"]
    assert not (tmp_path / "outside").exists()


def test_a_pack_with_other_or_more_content_is_refused(tmp_path: Path) -> None:
    recorded = make_pack(tmp_path, "aaaaaaaaaaaa")
    recorded.size = 60 * 1024
    with pytest.raises(ValueError, match="more than"):
        obtain(tmp_path / "store", recorded)
    recorded.size, recorded.digest = 10**6, "0" * 64
    with pytest.raises(ValueError, match="not what the task recorded"):
        obtain(tmp_path / "store", recorded)
    assert entries(tmp_path / "store") == []


@contextmanager
def environment(folder: Path, python: str, *, in_place: bool = False) -> Iterator[dict[str, Any]]:
    """`options` of a task in a real environment without packages, and its pack."""
    root = folder / "envs"
    index = Index("ann", root, None)
    made = {
        "schema_version": 1,
        "name": "e",
        "owner": "ann",
        "python": "3.11.0",
        "extends": None,
        "created_at": "",
        "extra_search_dir": [],
        "extra_search_bin_dir": [],
        "extra_environment": {},
    }
    place = root / "e"
    subprocess.run([python, "-m", "venv", "--without-pip", str(place)], check=True)
    version = next((place / "lib").iterdir()).name.removeprefix("python")
    (place / "haienv.json").write_text(json.dumps({**made, "python": f"{version}.0"}))
    yield record(index, "e", follow=False, say=lambda _: None, in_place=in_place)


async def run_in(python: str, options: dict[str, Any], folder: Path, **more: Any) -> str:
    """The prefix that a program finds, under an agent of that Python."""
    limits = {"env_dir": str(folder / "node"), "env_bytes": 10**9}
    async with site(folder, python=python, **limits) as here:
        here.script("a.py", "import sys; print(sys.prefix)")
        end = await here.run("a.py", options=options, **more)
        assert end["exit_code"] == 0, here.log_lines(own=True)
        return here.log_lines()[0]


async def test_an_old_agent_unpacks_it(tmp_path: Path) -> None:
    python = python_3_8()
    with environment(tmp_path, python) as options:
        first = await run_in(python, options, tmp_path)
        assert first.startswith(str(tmp_path / "node" / str(os.getuid())))
        assert state_of(first, []) == state_of(str(tmp_path / "envs" / "e"), [])


@needs_root
async def test_users_have_folders_of_their_own(tmp_path: Path) -> None:
    with searchable_folder() as folder, environment(folder, public_python()) as options:
        for path in (folder / "envs", folder / "envs" / ".packs"):
            path.chmod(0o755)
        for path in (folder / "envs" / ".packs").glob("*.tar.gz"):
            path.chmod(0o644)
        (folder / "work").mkdir()
        prefix = await run_in(public_python(), options, folder, uid=STRANGER)
        own = folder / "node" / str(STRANGER)
        assert prefix.startswith(str(own))
        assert (own.stat().st_uid, own.stat().st_mode & 0o777) == (STRANGER, 0o700)
        assert {path.stat().st_uid for path in Path(prefix).rglob("*.cfg")} == {STRANGER}


async def test_a_worker_that_is_stopped_while_it_unpacks(tmp_path: Path) -> None:
    with environment(tmp_path, sys.executable) as options:
        pack = options["environment"]["pack"]
        Path(pack).unlink()
        os.mkfifo(pack)
        limits = {"env_dir": str(tmp_path / "node"), "env_bytes": 10**9}
        async with site(tmp_path, **limits) as here:
            key = await here.launch(here.script("a.py", "print('no')"), options=options)
            here.peer.order(key, go=True)
            store = tmp_path / "node" / str(os.getuid())
            await asyncio.to_thread(wait_until, lambda: list(store.glob(".*.part")))
            here.peer.order(key, stop=True)
            end = await asyncio.to_thread(here.peer.end_of, key)
            assert (end["exit_code"], end["detail"]) == (143, "stopped before start")


async def test_without_a_pack_it_runs_where_it_lies(tmp_path: Path) -> None:
    """And beside the packs, if haienv made one before the environment was changed."""
    with environment(tmp_path, sys.executable, in_place=True) as options:
        place = tmp_path / "envs" / "e"
        assert await run_in(sys.executable, options, tmp_path) == str(place)
        assert not list((tmp_path / "envs" / ".packs").glob("*.tar.gz"))
        index = Index("ann", tmp_path / "envs", None)
        with changing(index.find("e")):
            (place / "haienv.lock").write_text("another\n")
        (second := tmp_path / "second").mkdir()
        prefix = await run_in(sys.executable, options, second)
        assert prefix.startswith(str(tmp_path / "envs" / ".packs" / "unpacked"))


async def test_what_was_changed_past_haienv_is_not_run(tmp_path: Path) -> None:
    with environment(tmp_path, sys.executable, in_place=True) as options:
        (tmp_path / "envs" / "e" / "haienv.lock").write_text("another\n")
        async with site(tmp_path) as here:
            end = await here.run(here.script("a.py", "print('no')"), options=options)
            told = "\n".join(here.log_lines(own=True))
        assert end["exit_code"] != 0
        assert "cannot be used: it was changed by something other than haienv" in told
        assert "--env-follow" in told


@contextmanager
def small_disk(folder: Path, entries: int) -> Iterator[Path]:
    """A disk with much room and few entries: it is full only while a pack is unpacked."""
    disk = folder / "disk"
    disk.mkdir()
    words = ("mount", "-t", "tmpfs", "-o", f"size=64m,nr_inodes={entries}", "hai-test", str(disk))
    if subprocess.run(words, capture_output=True, check=False).returncode:
        pytest.skip("nothing can be mounted here")
    try:
        yield disk
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)


@needs_root
def test_a_disk_that_is_full_keeps_nothing_half_done(tmp_path: Path) -> None:
    made = make_pack(tmp_path, "aaaaaaaaaaaa", kib=16)
    with small_disk(tmp_path, 7) as disk:
        with pytest.raises(OSError, match="No space left"):
            obtain(disk / "own", made)
        assert entries(disk / "own") == []
        for path in (disk / "own").iterdir():
            assert path.name == ".room"
    place, handle = obtain(tmp_path / "own", made)
    os.close(handle)
    assert (Path(place) / "lib" / "big").stat().st_size == 16 << 10


@needs_root
async def test_a_task_says_that_the_disks_are_full(tmp_path: Path) -> None:
    with environment(tmp_path, sys.executable) as options, small_disk(tmp_path, 7) as disk:
        limits = {"env_dir": str(disk / "node"), "env_bytes": 10**9}
        async with site(tmp_path, **limits) as here:
            end = await here.run(here.script("a.py", "print('here')"), options=options)
            told = "\n".join(here.log_lines(own=True))
            assert end["exit_code"] == 0, "it runs where it lies"
            assert "is not on this node's disk: No space left" in told
        (tmp_path / "envs" / "e" / "haienv.lock").write_text("another\n")
        unpacked = tmp_path / "envs" / ".packs" / "unpacked"
        unpacked.symlink_to(disk / "shared")
        (disk / "shared").mkdir()
        (second := tmp_path / "second").mkdir()
        async with site(second, **limits) as here:
            end = await here.run(here.script("a.py", "print('no')"), options=options)
            told = "\n".join(here.log_lines(own=True))
        assert end["exit_code"] != 0
        assert "its pack cannot be used: No space left" in told
        own = disk / "node" / str(os.getuid())
        assert entries(own) == []
        assert entries(disk / "shared") == []
