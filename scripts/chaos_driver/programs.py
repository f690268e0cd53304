"""What the tasks run, and what it leaves behind for whoever looks from outside.

Every rank holds the lock of its node for as long as it (or a child of its) lives, and a lock of its
own: no two attempts may run it at once, wherever. It writes a line to
`marks/<task>.<attempt>.<rank>` when it starts, when it ends, when a lock was taken, and for each of
its steps, by the machine's even clock: what is paused behind a cut link has locks, and no steps.
"""

import fcntl
import os
import shutil
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

WORK = r"""
import fcntl, os, signal, subprocess, sys, time

mode, steps, code = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
env = os.environ
task, rank, control = env["HAI_TASK_ID"], env["HAI_RANK"], env["HAI_CONTROL_DIR"]
key = "{}.{}.{}".format(task, env["HAI_ATTEMPT"], rank)
marks = os.open("marks/" + key, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
saved = "saved/{}.{}".format(task, rank)


def mark(*words):
    os.write(marks, (" ".join(map(str, words)) + "\n").encode())


def mark_step():
    try:
        mark("step", time.monotonic())
    except OSError:
        pass


def save(step):
    with open(saved + ".new", "w") as file:
        file.write(str(step))
    os.replace(saved + ".new", saved)


def tell(name):
    # the disk below may be full or read-only: the next step tries again
    try:
        open(os.path.join(control, name), "w").close()
    except OSError:
        return False
    return True


def take(path, word):
    lock = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        mark(word, os.pread(lock, 100, 0).decode())
    else:
        os.ftruncate(lock, 0)
        os.pwrite(lock, key.encode(), 0)
    return lock


lock = take("locks/" + env["HAI_NODE_NAME"], "overlap")
own = take("ranks/{}.{}".format(task, rank), "twice")
mark("start")

step = 0
if os.path.exists(saved):
    step = int(open(saved).read())


def leave(signum, frame):
    save(step)
    os._exit(128 + signum)


def note_signal(signum, frame):
    global is_asked
    is_asked = True


is_asked = False
if mode == "term":
    signal.signal(signal.SIGTERM, leave)
if mode == "usr1":
    signal.signal(signal.SIGUSR1, note_signal)
if mode == "stubborn":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
if mode == "child":
    subprocess.Popen(["sleep", "600"], pass_fds=[lock, own], start_new_session=True)
if mode == "memory":
    ballast = bytearray(steps << 20)  # MiB: more than there is
    for place in range(0, len(ballast), 4096):
        ballast[place] = 1
if mode == "hidden":
    subprocess.Popen(["sleep", "600"], pass_fds=[lock, own], start_new_session=True, env={})

is_acknowledged = False
while step < steps:
    time.sleep(0.1)
    step += 1
    mark_step()
    if mode == "saver":
        is_asked = os.path.exists(env["HAI_SUSPEND_FILE"])
    if is_asked:
        is_acknowledged = is_acknowledged or tell("ack")
        save(step)
        while is_acknowledged and not tell("saved"):
            time.sleep(0.1)
        while is_acknowledged:
            time.sleep(1)

if mode == "tries" and not os.path.exists(saved):
    save(0)  # the second try finds it and goes on to the end
    code = 75
mark("end", code)
sys.exit(code)
"""

# What people wrap around their programs: the shell stays, and a pipe stands behind it.
WRAP = """set -o pipefail
./work.py "$@" | cat
"""


def has_control_groups() -> bool:
    """Whether a group can be made beside our own: only there is a child found that has left its
    session, its parent and its environment behind once its agent is dead."""
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, names, path = line.split(":", 2)
        mounts = [name for name in names.split(",") if name in ("freezer", "pids")]
        for mount in mounts or ([] if names else ["", "unified"]):
            probe = Path("/sys/fs/cgroup", mount, path.lstrip("/"), f"hai-chaos-{os.getpid()}")
            with suppress(OSError):
                probe.mkdir()
                probe.rmdir()
                return True
    return False


def write_programs(folder: Path, nodes: list[str]) -> None:
    """The folder that all tasks run in; every account may write there."""
    python = shutil.which("python3", path=os.defpath) or sys.executable
    for path in (folder, folder / "locks", folder / "ranks", folder / "marks", folder / "saved"):
        path.mkdir(exist_ok=True)
        path.chmod(0o777)
    for name, text in (("work.py", f"#!{python} -IS\n{WORK}"), ("wrap.sh", WRAP)):
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    for node in nodes:
        lock = folder / "locks" / node
        lock.touch()
        lock.chmod(0o666)


@dataclass(frozen=True, slots=True)
class Mark:
    """What one rank of one attempt wrote."""

    task: int
    attempt: int
    rank: int
    starts: int
    ends: tuple[int, ...]  # exit codes
    overlaps: tuple[str, ...]  # who had the lock of its node
    twice: tuple[str, ...] = ()  # who had that of its rank
    steps: tuple[float, ...] = ()  # when it did something, in seconds of one clock


def read_marks(folder: Path) -> Iterator[Mark]:
    for path in sorted((folder / "marks").iterdir()):
        task, attempt, rank = map(int, path.name.split("."))
        lines = [line.split() for line in path.read_text().splitlines() if line]
        said = Counter(words[0] for words in lines)
        yield Mark(
            task,
            attempt,
            rank,
            said["start"],
            tuple(int(words[1]) for words in lines if words[0] == "end"),
            tuple(" ".join(words[1:]) for words in lines if words[0] == "overlap"),
            tuple(" ".join(words[1:]) for words in lines if words[0] == "twice"),
            tuple(float(words[1]) for words in lines if words[0] == "step"),
        )


def held_locks(folder: Path) -> list[str]:
    """Nodes whose lock somebody still has, in whatever process."""
    held = []
    for path in sorted((folder / "locks").iterdir()):
        with path.open() as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                held.append(path.name)
    return held
