"""hai-cli at a real terminal of 80x24: following, Ctrl-C, questions, Tab, colours."""

import os
import re
import stat
import subprocess
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.acceptance.person import PROGRAM, Person, Terminal
from tests.live import Live
from tests.waiting import wait_until

pytestmark = [pytest.mark.acceptance, pytest.mark.xdist_group("cli_terminal")]

HELLO = """
import os, sys
print("hello from", os.environ["RANK"], "of", os.environ["WORLD_SIZE"], flush=True)
sys.exit(int(sys.argv[1]))
"""

# Counts until the file "enough.NAME" appears, and then a little further.
COUNTS = """
import os, sys, time
number = 0
while not os.path.exists("enough." + sys.argv[1]):
    print("line", number, flush=True)
    number += 1
    time.sleep(0.02)
for number in range(number, number + 5):
    print("line", number, flush=True)
"""


def counting(hai: Person, name: str) -> list[str]:
    """The command line of a task that counts until `enough`."""
    hai.live.script(f"{name}.py", COUNTS)
    return ["python", f"{name}.py", name, "--"]


def enough(hai: Person, name: str) -> None:
    (hai.desk / f"enough.{name}").touch()


@pytest.mark.parametrize("code", [0, 7])
def test_followed_to_the_end(hai: Person, code: int) -> None:
    name = f"hello-{code}.py"
    hai.live.script(name, HELLO)
    with hai.terminal("python", name, str(code), "--", "-n", "2", "-f") as terminal:
        terminal.sees(f"{name!r} submitted: 2 nodes of training, priority HIGH")
        terminal.sees("running on training-", "hello from 0 of 2")
        terminal.sees("failed with exit code 7" if code else "succeeded")
        assert terminal.ends() == code
        assert "hello from 1" not in terminal.screen, "rank 0 only"


def test_ctrl_c_leaves_and_the_task_goes_on(hai: Person) -> None:
    with hai.terminal(*counting(hai, "leave"), "-f") as terminal:
        terminal.sees("line 3")
        terminal.interrupt()
        terminal.sees("detached: task ", " goes on")
        terminal.sees("follow it again:  hai-cli logs -f ", "stop it:          hai-cli stop ")
        assert terminal.ends() == 130
        advice = re.findall(r"hai-cli (logs -f|stop) (\d+)", terminal.screen)
    task_id = int(advice[0][1])
    assert advice == [("logs -f", str(task_id)), ("stop", str(task_id))]
    seen = hai.live.text(task_id).count("\n")
    wait_until(lambda: hai.live.text(task_id).count("\n") > seen + 3, what="more lines")
    enough(hai, "leave")
    assert hai.live.wait(task_id, "succeeded")["attempts"] == 1


def test_a_second_ctrl_c_quits_at_once(hai: Person) -> None:
    task_id = int(hai(*counting(hai, "twice"), "-q").out)
    for _ in range(3):
        with hai.terminal("logs", "-f", str(task_id)) as terminal:
            terminal.sees("line 1")
            terminal.interrupt()
            terminal.interrupt()
            assert terminal.ends() == 130
    assert hai.live.detail(task_id)["state"] == "running"
    with hai.terminal("wait", str(task_id)) as terminal:
        terminal.sees("running")
        terminal.interrupt()
        terminal.sees("no longer waiting")
        assert terminal.ends() == 130
    enough(hai, "twice")
    hai.live.wait(task_id, "succeeded")


def test_ctrl_c_of_a_local_run_is_the_programs(hai: Person) -> None:
    text = "import time\ntry:\n    print('up', flush=True)\n    time.sleep(60)\n"
    hai.live.script("caught.py", text + "except KeyboardInterrupt:\n    raise SystemExit(5)\n")
    with hai.terminal("python", "caught.py") as terminal:
        terminal.sees("up")
        terminal.interrupt()
        assert terminal.ends() == 5


def states(live: Live, *tasks: int) -> list[str]:
    return [live.detail(task)["state"] for task in tasks]


def test_stopping_several_tasks_asks(hai: Person) -> None:
    tasks = [hai.hollow("ask-a"), hai.hollow("ask-b")]
    for task in tasks:
        hai.live.wait(task, "running")

    def stop() -> list[str]:
        return ["stop", *(str(task) for task in tasks)]

    for answer in ("n", ""):
        with hai.terminal(*stop()) as terminal:
            terminal.sees("would stop: task ", "'ask-a' of root, running", "'ask-b'")
            terminal.sees("stop these 2 tasks for good? [y/N] ")
            terminal.types(answer)
            terminal.sees("nothing was stopped")
            assert terminal.ends() == 1
    with hai.terminal(*stop()) as terminal:
        terminal.sees("[y/N] ")
        terminal.interrupt()
        assert terminal.ends() == 130
    assert states(hai.live, *tasks) == ["running", "running"]
    with hai.terminal(*stop()) as terminal:
        terminal.sees("[y/N] ")
        terminal.types("y")
        assert terminal.ends() == 0
    for task in tasks:
        hai.live.wait(task, "stopped")


def test_the_token_is_not_echoed(hai: Person, tmp_path: Path) -> None:
    conf = tmp_path / "conf.yaml"
    token = hai.live.tokens["root"]

    def init(typed: str, ending: str) -> int:
        words = ("init", "--url", hai.live.url)
        with hai.terminal(*words, HAI_CONF=str(conf)) as terminal:
            terminal.sees("token (not shown): ")
            terminal.child.waitnoecho()
            terminal.types(typed)
            terminal.sees(ending)
            code = terminal.ends()
            assert typed not in terminal.screen
        return code

    assert init(token, "you are root (admin) on") == 0
    assert stat.S_IMODE(conf.stat().st_mode) == 0o600
    stored = conf.read_text()
    assert token in stored
    assert init("no-such-token", "the token is unknown") == 4
    assert conf.read_text() == stored
    assert hai("whoami", "-q", HAI_CONF=str(conf)).out == "root\n"


def test_colours_are_for_terminals_that_want_them(hai: Person) -> None:
    name = "colourful-" + "x" * 80
    hai.live.wait(hai.hollow(name, 0), "succeeded")

    def shown(*words: str, **environ: str) -> Terminal:
        with hai.terminal("list", *words, **environ) as terminal:
            assert terminal.ends() == 0
        return terminal

    colourful = shown()
    assert "\x1b[" in colourful.screen
    for line in colourful.plain.splitlines():
        assert len(line) <= 80, "shortened to the screen"
    for plain in (
        shown(NO_COLOR="1"),
        shown(TERM="dumb"),
        shown(CLICOLOR="0"),
        shown("--color", "never"),
    ):
        assert "\x1b" not in plain.screen
    columns = ("--fields", "id,name,state")  # no ages
    assert shown(*columns, NO_COLOR="1").screen == shown(*columns).plain
    assert name in shown("--no-trunc", NO_COLOR="1").screen
    assert "\x1b" not in hai("list").out
    assert "\x1b[" in hai("list", "--color", "always").out
    with hai.terminal("status", "no-such", NO_COLOR="1") as terminal:
        assert terminal.ends() == 3
        assert "\x1b" not in terminal.screen
    with hai.terminal("status", "no-such") as terminal:
        assert terminal.ends() == 3
        assert "\x1b[31m" in terminal.screen


def test_a_narrow_status_tells_the_whole_reason(hai: Person) -> None:
    task = hai.hollow("narrow")
    hai.live.wait(task, "running")
    assert hai("suspend", str(task)).code == 0
    reason = hai.live.wait(task, "suspended")["reason"]["text"]
    with hai.terminal("status", str(task), NO_COLOR="1") as terminal:
        assert terminal.ends() == 0
    row, why, *_ = terminal.screen.splitlines()[1:]
    assert len(row) <= 80
    assert why == f"why: {reason}"
    assert "as soon as nodes are free" in hai("resume", str(task)).err
    hai("stop", str(task))


def test_a_watched_list_is_drawn_anew(hai: Person) -> None:
    with hai.terminal("list", "-w") as terminal:
        terminal.sees("\x1b[H\x1b[J", "NAME")
        task = hai.hollow("watched")
        terminal.sees("\x1b[H\x1b[J", "watched")
        terminal.interrupt()
        assert terminal.ends() == 130
    hai("stop", str(task))


@pytest.fixture
def commands(tmp_path: Path) -> Path:
    """A folder for PATH with hai-cli in it."""
    program = tmp_path / "hai-cli"
    program.write_text(f'#!/bin/sh\nexec {" ".join(PROGRAM)} "$@"\n')
    program.chmod(0o755)
    return tmp_path


def test_tab_in_a_real_shell(hai: Person, commands: Path) -> None:
    task = hai.hollow("tabulated-task")
    bash = ["bash", "--norc", "--noprofile", "-i"]
    path = f"{commands}:{os.environ['PATH']}"
    with hai.console(bash, PATH=path, PS1="> ", TERM="dumb", INPUTRC="/dev/null") as shell:
        shell.types('eval "$(hai-cli --show-completion)"; echo rea""dy')
        shell.sees("ready")
        for typed, wanted in (
            ("hai-cli desc", "ribe "),
            ("hai-cli status tabul", "ated-task "),
            ("hai-cli list -g holl", "ow "),
            ("hai-cli priority tabulated-task ABOVE", "_NORMAL "),
            ("hai-cli python x.py -- -g train", "ing "),
            ("hai-cli list --page-s", "ize "),
            ("hai-cli users token ro", "ot "),
        ):
            completes(shell, typed, wanted)
        shell.types("exit")
        shell.ends()
    hai("stop", str(task))


def completes(shell: Terminal, typed: str, wanted: str) -> None:
    """Completion gives up on a slow server at once: people press Tab again, and so do we."""
    for _ in range(30):
        shell.child.send(typed + "\t")
        shell.sees(typed)
        # what comes up to the next echo is what Tab put in
        shell.child.send("#")
        shell.sees("#")
        inserted = shell.child.before.replace("\a", "")
        shell.child.send("\x15")
        if inserted == wanted:
            return
    raise AssertionError(f"{typed!r} became {inserted!r}")


def test_a_log_followed_over_a_crash_of_the_server_is_whole(hai: Person, tmp_path: Path) -> None:
    log = tmp_path / "log"
    hai.live.script("crash.py", COUNTS)
    with (
        hai.terminal("python", "crash.py", "crash", "--", "-n", "2", "-f") as terminal,
        ExitStack() as ending,
    ):
        terminal.sees("running on", "line 20\r")
        task_id = int(re.findall(r"task (\d+) ", terminal.screen)[0])
        with log.open("wb") as file:
            everyone = subprocess.Popen(
                [*PROGRAM, "logs", "-f", "-r", "all", str(task_id)],
                env=hai.environ(),
                stdout=file,
                stderr=subprocess.PIPE,
            )
        ending.enter_context(everyone)
        ending.callback(everyone.kill)
        wait_until(lambda: log.stat().st_size > 0, 60, what="the second follower")
        for _ in range(2):
            hai.live.kill()
            terminal.sees("connection lost, retrying")
            hai.live.start()
            terminal.sees("connected again")
            terminal.child.expect(r"line \d*[05]0\r")  # wherever it has come to meanwhile
        enough(hai, "crash")
        terminal.sees(f"task {task_id} succeeded")
        assert terminal.ends() == 0
        seen = re.findall(r"^line (\d+)$", terminal.screen, re.MULTILINE)
        assert terminal.screen.count("connected again") == 2
        _, err = everyone.communicate(timeout=60)
        assert everyone.returncode == 0, err
    assert len(seen) > 100
    assert seen == [str(number) for number in range(len(seen))]
    for rank in "01":
        lines = [line[4:] for line in log.read_text().splitlines() if line[:4] == f"[{rank}] "]
        assert lines == [f"line {number}" for number in range(len(lines))], rank
        assert len(lines) > 100
