"""The log under real agents: floods, long lines, odd bytes, rotation, a full disk."""

import asyncio
import contextlib
import os
import re
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.agent_peer import site
from tests.waiting import PATIENCE_SECONDS, wait_until

LINE = re.compile(rb"\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{6}\] ")


def peak_memory_bytes(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    assert found is not None
    return int(found.group(1)) * 1024


async def test_prefix_order_of_streams_and_bytes_as_they_are(tmp_path: Path) -> None:
    code = r"""
import sys
print("out")
print("err", file=sys.stderr)
sys.stdout.buffer.write(b"\xff\xfe caf\xe9\n\ttab\r\n\nlast without end")
"""
    async with site(tmp_path) as here:
        await here.run(here.script("a.py", code))
        lines = here.log_bytes().split(b"\n")
        assert all(LINE.match(line) for line in lines)
        expected = [b"out", b"err", b"\xff\xfe caf\xe9", b"\ttab\r", b"", b"last without end"]
        assert [line[29:] for line in lines] == expected


async def test_partial_line_appears_while_the_program_waits(tmp_path: Path) -> None:
    async with site(tmp_path) as here:
        await here.start("import time; print('epoch 1:', end=''); time.sleep(60)")
        await asyncio.to_thread(wait_until, lambda: here.log_bytes().endswith(b"epoch 1:"))


async def test_megabyte_line(tmp_path: Path) -> None:
    async with site(tmp_path) as here:
        await here.run(here.script("a.py", "print('x' * 1_000_000); print('after')"))
        data = here.log_bytes()
        assert [len(line) - 29 for line in data.splitlines()] == [1_000_000, 5]
        assert len(LINE.findall(data)) == 2


async def test_rotation_keeps_the_newest_and_offsets_add_up(tmp_path: Path) -> None:
    async with site(tmp_path, segment_bytes=8192, segments=3) as here:
        await here.run(here.script("a.py", "for i in range(5000): print('line', i)"))
        files = sorted((here.log_root / "7" / "1").iterdir())
        assert len(files) == 3
        sizes = [file.stat().st_size for file in files]
        offsets = [int(file.name.split(".")[1]) for file in files]
        assert (
            offsets[1:] == [offset + size for offset, size in zip(offsets, sizes, strict=True)][:-1]
        )
        total = sum(len(f"line {i}\n") + 29 for i in range(5000))
        assert offsets[-1] + sizes[-1] == total
        assert here.log_lines()[-1] == "line 4999"
        assert all(LINE.match(file.read_bytes()) for file in files)


async def test_flood_is_taken_at_full_speed_in_bounded_memory(tmp_path: Path) -> None:
    line = "y" * 99
    code = f"""
import sys, time
block = ("{line}" + "\\n") * 10_000
for _ in range(50): sys.stdout.write(block)
sys.stdout.flush()
open("written", "w").close()
time.sleep(600)
"""
    async with site(tmp_path, segment_bytes=4 * 2**20, segments=30) as here:
        key = await here.start(code)
        written = here.work_dir / "written"
        await asyncio.to_thread(wait_until, written.exists, what="an end of the flood")
        memory_bytes = peak_memory_bytes(here.agent_pid(key))
        here.peer.order(key, stop=True)
        await asyncio.to_thread(here.peer.end_of, key)
        lines = here.log_lines(own=True)
        dropped = sum(int(t.split()[2]) for t in lines if t.startswith("[hai] dropped"))
        assert lines.count(line) + dropped == pytest.approx(500_000, abs=20)
        assert memory_bytes < 120 * 2**20


@contextlib.contextmanager
def tiny_disk(path: Path) -> Iterator[Path]:
    path.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(path)])
    if mounted.returncode != 0:
        pytest.skip("a tmpfs cannot be mounted here (not root, or no CAP_SYS_ADMIN)")
    try:
        yield path
    finally:
        subprocess.run(["umount", "-l", str(path)], check=True)


async def test_full_disk_does_not_stop_the_program(tmp_path: Path) -> None:
    with tiny_disk(tmp_path / "disk") as disk:
        async with site(tmp_path) as here:
            ballast = disk / "ballast"
            ballast.write_bytes(b"0" * 40_000)
            more, done = tmp_path / "more", tmp_path / "done"
            code = f"""
import os, time
for i in range(20_000): print("line", i)
open({str(done)!r}, "w").close()
while not os.path.exists({str(more)!r}): time.sleep(0.01)
print("after")
"""
            log_dir = str(disk / "logs")
            key = await here.start(code, log_dir=log_dir)
            await asyncio.to_thread(wait_until, done.exists)  # the program was not held up
            subprocess.run(["mount", "-o", "remount,size=8m", str(disk)], check=True)
            ballast.unlink()

            def said() -> bool:
                return b"could not be written" in _read(Path(log_dir))

            await asyncio.to_thread(wait_until, said)
            more.touch()
            end = await asyncio.to_thread(here.peer.end_of, key)
            assert end["exit_code"] == 0
            data = _read(Path(log_dir))
            lines = [line[29:].decode() for line in data.splitlines()]
            program = [line for line in lines if not line.startswith("[hai]")]
            assert program == [*(f"line {i}" for i in range(20_000)), "after"]
            note = next(line for line in lines if "could not be written" in line)
            assert note.endswith("No space left on device")


def _read(folder: Path) -> bytes:
    return b"".join(file.read_bytes() for file in sorted(folder.glob("0.*.log")))


async def test_log_folder_that_can_not_be_made(tmp_path: Path) -> None:
    async with site(tmp_path) as here:
        blocker = tmp_path / "blocked"
        blocker.write_text("a file in the way")
        key = await here.start("print('x')", log_dir=str(blocker / "7"))
        before = time.monotonic()
        end = await asyncio.to_thread(here.peer.end_of, key)
        assert end["exit_code"] == 0
        assert time.monotonic() - before < PATIENCE_SECONDS
        assert "log could not be written" in (here.dir(key) / "agent.err").read_text()


async def test_pipe_held_open_by_a_stranger_is_not_waited_for(tmp_path: Path) -> None:
    """The test itself holds the pipe, through /proc: it is none of the program's kin."""
    async with site(tmp_path) as here:
        key = await here.start("import time; print('up', flush=True); time.sleep(60)")
        pid = await asyncio.to_thread(here.program_pid, key)
        fd = os.open(f"/proc/{pid}/fd/1", os.O_WRONLY)
        try:
            here.peer.order(key, stop=True)
            end = await asyncio.to_thread(here.peer.end_of, key)
            assert end["exit_code"] == 143
        finally:
            os.close(fd)
