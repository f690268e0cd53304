"""Programs below a shell, a pipe or a launcher of their own: the notice reaches who handles it, and
a stop gives everybody the promised time."""

import asyncio
import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from tests.integration.agent_peer import Site, is_gone, site
from tests.waiting import wait_until

TRAIN = """
import os, signal, sys, time
control = os.environ["HAI_CONTROL_DIR"]
def say(line):  # in one piece: print of an unbuffered Python writes a line's end by itself
    os.write(1, f"{line}\\n".encode())
def save(*_):
    say(f"saving {os.getpid()}")
    for name in ("ack", "saved"):
        open(f"{control}/{name}", "w").close()
signal.signal(signal.SIGUSR1, save)
say("up")
while True:
    time.sleep(0.05)
"""
SPAWNS = """
import subprocess, sys
workers = [subprocess.Popen([sys.executable, "-u", "train.py"]) for _ in range(2)]
sys.exit(max(worker.wait() for worker in workers))
"""
MULTIPROCESSING = """
import multiprocessing, runpy
if __name__ == "__main__":
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=runpy.run_path, args=("train.py",)) for _ in range(2)]
    for worker in workers: worker.start()
    for worker in workers: worker.join()
"""
WRAPPERS = {
    "shell": ("wrap.sh", "python3 -u train.py\necho rest\n", 1),
    "pipe": ("wrap.sh", "python3 -u train.py | tee log.txt\n", 1),
    "background": ("wrap.sh", "setsid python3 -u train.py &\nwait\n", 1),
    "beside a tool": ("wrap.sh", "sleep 60 &\nenv -i sleep 60 &\npython3 -u train.py\n", 1),
    "sh -c": ("wrap.sh", "sh -c 'nice python3 -u train.py; true'\n", 1),
    "spawned": ("wrap.py", SPAWNS, 2),
    "multiprocessing": ("wrap.py", MULTIPROCESSING, 2),
}


async def start(here: Site, entrypoint: str, ups: int = 1, **more: Any) -> str:
    key = await here.launch(entrypoint, **more)
    here.peer.order(key, go=True)
    await asyncio.to_thread(wait_until, lambda: here.log_lines().count("up") == ups)
    return key


def lines_with(here: Site, word: str) -> list[str]:
    return [line for line in here.log_lines(own=True) if word in line]


@pytest.mark.parametrize("kind", WRAPPERS)
async def test_the_signal_reaches_who_handles_it_and_kills_nobody(
    tmp_path: Path, kind: str
) -> None:
    name, text, count = WRAPPERS[kind]
    async with site(tmp_path) as here:
        here.script("train.py", TRAIN)
        key = await start(
            here, here.script(name, text), count, options={"suspend_signal": "SIGUSR1"}
        )
        main = await asyncio.to_thread(here.program_pid, key)
        here.peer.order(key, suspend=True)
        await asyncio.to_thread(here.peer.wait_for, key, saved=True)
        await asyncio.to_thread(wait_until, lambda: len(lines_with(here, "saving")) == count)
        assert not is_gone(main)
        assert (here.dir(key) / "control" / "suspend").exists()
        here.peer.order(key, stop=True)
        await asyncio.to_thread(here.peer.end_of, key)
        assert len(set(lines_with(here, "saving"))) == len(lines_with(here, "saving")) == count


async def test_a_handler_that_is_installed_after_the_notice_is_signalled(tmp_path: Path) -> None:
    slow = "import time\nprint('up', flush=True)\ntime.sleep(1.5)\n" + TRAIN.replace('"up"', '"on"')
    async with site(tmp_path) as here:
        here.script("train.py", slow)
        wrapper = here.script("wrap.sh", "python3 -u train.py\n")
        key = await start(here, wrapper, options={"suspend_signal": "SIGUSR1"})
        here.peer.order(key, suspend=True)
        await asyncio.to_thread(here.peer.wait_for, key, saved=True)
        assert len(lines_with(here, "saving")) == 1


SLOW = """
import signal, sys, time
terms = []
def leave(*_):
    terms.append(1)
    print("term", len(terms), flush=True)
signal.signal(signal.SIGTERM, leave)
print("up", flush=True)
while not terms:
    time.sleep(0.02)
until = time.monotonic() + {seconds}
while time.monotonic() < until:
    time.sleep(0.02)
open("saved.txt", "w").write("all")
print("left", len(terms), flush=True)
"""


@pytest.mark.parametrize(
    "wrapper",
    [
        "python3 -u slow.py\n",
        "python3 -u slow.py | cat\n",
        "python3 -u slow.py 2>&1 | grep --line-buffered . | tee log.txt\n",
        "setsid python3 -u slow.py & wait\n",
        "env -i $(command -v python3) -u slow.py & disown; sleep 60\n",
    ],
)
async def test_below_a_shell_a_stop_is_one_sigterm_and_the_promised_time(
    tmp_path: Path, wrapper: str
) -> None:
    """Longer than the 2 s that once were left when the shell had died first."""
    async with site(tmp_path) as here:
        here.script("slow.py", SLOW.format(seconds=3.5))
        key = await start(here, here.script("wrap.sh", wrapper))
        here.peer.order(key, stop=True, term_seconds=30.0)
        end = await asyncio.to_thread(here.peer.end_of, key)
        assert (end["exit_code"], end["detail"]) == (143, "")
        assert (here.work_dir / "saved.txt").read_text() == "all"
        assert [line for line in here.log_lines() if line.startswith("term")] == ["term 1"]
        assert here.log_lines()[-1] == "left 1"
        assert lines_with(here, "stop: ") == [
            "[hai] stop: SIGTERM now, SIGKILL in 30 s for whatever still runs then"
        ]
        assert here.marked(key) == []


async def test_who_needs_longer_than_promised_is_killed_then_and_not_before(
    tmp_path: Path,
) -> None:
    async with site(tmp_path) as here:
        here.script("slow.py", SLOW.format(seconds=600))
        key = await start(here, here.script("wrap.sh", "python3 -u slow.py\n"))
        began = time.monotonic()
        here.peer.order(key, stop=True, term_seconds=2.5)
        end = await asyncio.to_thread(here.peer.end_of, key)
        assert time.monotonic() - began >= 2.5
        assert end["exit_code"] == 143  # the shell's own
        assert end["detail"] == "killed: still running after SIGTERM"
        assert lines_with(here, "SIGKILL")[1:] == [
            "[hai] still running after SIGTERM: 1 process: SIGKILL"
        ]
        assert here.marked(key) == []


async def test_what_a_program_leaves_behind_has_the_promised_time_too(tmp_path: Path) -> None:
    async with site(tmp_path) as here:
        here.script("slow.py", SLOW.format(seconds=3.0))
        wrapper = "python3 -u slow.py &\nuntil [ -e go ]; do sleep 0.05; done\nexit 3\n"
        key = await here.launch(here.script("wrap.sh", wrapper))
        here.peer.order(key, go=True, term_seconds=30.0)
        await asyncio.to_thread(wait_until, lambda: "up" in here.log_lines())
        (here.work_dir / "go").touch()
        end = await asyncio.to_thread(here.peer.end_of, key)
        assert (end["exit_code"], end["lost"]) == (3, False)
        assert (here.work_dir / "saved.txt").read_text() == "all"
        assert len(lines_with(here, "left 1 process behind: SIGTERM now, SIGKILL in 30 s")) == 1


async def test_what_a_handler_starts_to_save_is_not_sent_sigterm(tmp_path: Path) -> None:
    shell = """
save() { sh -c 'sleep 1.5; echo all > saved.txt'; exit 0; }
trap save TERM
echo up
while true; do sleep 0.05; done
"""
    async with site(tmp_path) as here:
        key = await start(here, here.script("trap.sh", shell))
        here.peer.order(key, stop=True, term_seconds=30.0)
        end = await asyncio.to_thread(here.peer.end_of, key)
        assert end["exit_code"] == 0
        assert (here.work_dir / "saved.txt").read_text() == "all\n"


async def test_a_stopped_process_hears_the_stop_as_well(tmp_path: Path) -> None:
    async with site(tmp_path) as here:
        key = await start(here, here.script("slow.py", SLOW.format(seconds=0)))
        pid = await asyncio.to_thread(here.program_pid, key)
        os.kill(pid, signal.SIGSTOP)
        here.peer.order(key, stop=True, term_seconds=30.0)
        end = await asyncio.to_thread(here.peer.end_of, key)
        assert (end["exit_code"], here.log_lines()[-1]) == (0, "left 1")


TRAP = """
trap 'sleep 0.3; {save}; exit {code}' TERM
touch old.pt
echo up
while true; do sleep 0.05; done
"""


@pytest.mark.parametrize(
    ("save", "code", "pattern", "saved"),
    [
        ("echo x > new.pt", 0, "*.pt", True),
        ("echo x > new.pt", 143, "*.pt", True),
        ("echo x > new.pt", 7, "new.pt", True),
        ("mkdir ckpt-9; echo x > ckpt-9/w", 0, "ckpt-*", True),
        ("echo x > old.pt", 1, "old.pt", True),
        ("echo x > new.pt", 0, None, False),
        ("echo x > other", 0, "*.pt", False),
        (":", 0, "*.pt", False),
    ],
)
async def test_a_file_that_is_newer_than_the_notice_proves_the_save(
    tmp_path: Path, save: str, code: int, pattern: str | None, saved: bool
) -> None:
    options = {} if pattern is None else {"checkpoint": pattern}
    async with site(tmp_path) as here:
        script = here.script("trap.sh", TRAP.format(save=save, code=code))
        key = await start(here, script, options=options)
        here.peer.order(key, suspend=True)
        notice = here.dir(key) / "control" / "suspend"
        await asyncio.to_thread(wait_until, notice.exists)
        here.peer.order(key, stop=True, term_seconds=30.0)
        end = await asyncio.to_thread(here.peer.end_of, key)
        assert (end["exit_code"], end["saved"], end["acked"]) == (code, saved, saved)
        assert len(lines_with(here, "saved after the notice")) == saved


@pytest.mark.parametrize("order", ["stop alone", "suspend alone", "killed while it saved"])
async def test_what_proves_nothing(tmp_path: Path, order: str) -> None:
    """Without a notice, or without SIGTERM, or in the middle of writing."""
    body = TRAP.format(save="echo x > new.pt; sleep 600", code=0)
    if order == "suspend alone":
        body = "echo up\nuntil [ -e $HAI_SUSPEND_FILE ]; do sleep 0.02; done\necho x > new.pt\n"
    async with site(tmp_path) as here:
        wrapper = here.script("wrap.sh", "bash trap.sh\n")
        here.script("trap.sh", body.replace("sleep 600", ":") if order == "stop alone" else body)
        key = await start(here, wrapper, options={"checkpoint": "*.pt"})
        if order != "stop alone":
            here.peer.order(key, suspend=True)
            notice = here.dir(key) / "control" / "suspend"
            await asyncio.to_thread(wait_until, notice.exists)
        if order != "suspend alone":
            here.peer.order(key, stop=True, term_seconds=5.0)
        end = await asyncio.to_thread(here.peer.end_of, key)
        assert (end["saved"], (here.work_dir / "new.pt").exists()) == (False, True)
