"""hai-cli top at a real terminal, against a real server with real tasks."""

import json
import os
import signal
from pathlib import Path

import httpx2
import psutil
import pytest

from tests.acceptance.conftest import MakeLive
from tests.acceptance.forwarding import SERVES
from tests.acceptance.person import PROGRAM, Person
from tests.acceptance.tasks import running, stopped
from tests.acceptance.tmux import window
from tests.live import Live
from tests.waiting import PATIENCE_SECONDS, wait_until

pytestmark = pytest.mark.acceptance

TALKER = """
import time
for number in range(100000):
    print("line", number, flush=True)
    time.sleep(0.05)
"""


def top_processes(hai: Person) -> list[psutil.Process]:
    """The dashboards of this person's."""
    conf = hai.environ()["HAI_CONF"]
    found = []
    for process in psutil.process_iter():
        try:
            line = process.cmdline()
            if line[1:4] == ["-m", "hai.cli.main", "top"] and (
                process.environ().get("HAI_CONF") == conf
            ):
                found.append(process)
        except psutil.Error:
            continue
    return found


def command_lines() -> str:
    """Everything that anybody on this machine can read."""
    lines = []
    for process in psutil.process_iter():
        try:
            lines.append(" ".join(process.cmdline()))
        except psutil.Error:
            continue
    return "\n".join(lines)


def test_start_look_act_and_leave(hai: Person) -> None:
    task_id = hai.hollow("watched")
    hai.live.wait(task_id, "running")
    with window([*PROGRAM, "top", "queue"], hai.environ()) as tmux:
        tmux.sees("watched", "live")
        assert tmux.mode("alternate_on") == "1"
        tmux.types("/", *"watched", "Enter")
        tmux.sees("/watched")
        tmux.types("z")
        tmux.sees("Suspend task", "is told to save")
        tmux.types("y")
        hai.live.wait(task_id, "suspended")
        tmux.sees("held")
        tmux.types("z")
        tmux.sees("Resume task")
        tmux.types("Tab", "Enter")
        hai.live.wait(task_id, "running")
        tmux.types("C-d")
        tmux.sees("Stop task")
        tmux.types("y")
        hai.live.wait(task_id, "stopped")
        tmux.types(":", "q", "Enter")
        tmux.sees("ended with 0")
        assert tmux.mode("alternate_on") == "0"
        assert tmux.mode("cursor_flag") == "1"
        assert tmux.mode("mouse_any_flag") == "0"


def test_it_fits_any_size(hai: Person) -> None:
    with window([*PROGRAM, "top"], hai.environ()) as tmux:
        tmux.sees("training", "nodes busy", "filter", "live")
        for width, height in ((120, 40), (40, 10), (20, 5), (80, 24)):
            tmux.resize(width, height)
            tmux.sees("HAI")
        tmux.sees("nodes busy", "filter")
        tmux.types("q")
        tmux.sees("ended with 0")


def test_the_server_goes_and_comes_back(make_live: MakeLive) -> None:
    live = make_live(hollow_nodes=2)
    person = Person(live)
    person.hollow("before")
    with window([*PROGRAM, "top", "queue"], person.environ()) as tmux:
        tmux.sees("before", "live")
        live.kill()
        tmux.sees("no connection")
        tmux.sees("before")  # what was known stays in sight
        live.start()
        tmux.sees("live")
        person.hollow("after")
        tmux.sees("after")
        tmux.types("C-c")
        tmux.sees("ended with 0")


def test_logs_of_a_real_task_are_followed(hai: Person) -> None:
    task_id = hai.submit("talker.py", TALKER, "-n", "2")
    hai.live.wait(task_id, "running")
    with window([*PROGRAM, "top", "logs", str(task_id)], hai.environ()) as tmux:
        tmux.sees("[0] line", "[1] line", "follow")
        tmux.types("/", *"line 2.$", "Enter")
        tmux.sees("/line 2.$")
        tmux.types("q")
        tmux.sees("ended with 0")
    hai("stop", str(task_id), "-y")


def test_quitting_while_the_server_hangs_is_quick(make_live: MakeLive) -> None:
    live = make_live()
    person = Person(live)
    with window([*PROGRAM, "top"], person.environ()) as tmux:
        tmux.sees("live")
        assert live.process is not None
        live.process.send_signal(signal.SIGSTOP)
        try:
            tmux.types("q")
            tmux.sees("ended with 0", seconds=30)  # less than a request may take
        finally:
            live.process.send_signal(signal.SIGCONT)


def test_a_hang_up_leaves_nothing_behind(hai: Person) -> None:
    with window([*PROGRAM, "top"], hai.environ()) as tmux:
        tmux.sees("live")
        assert top_processes(hai)
    wait_until(lambda: not top_processes(hai), what="the dashboard's end")


def test_no_colour_no_mouse_and_ascii(hai: Person) -> None:
    environ = hai.environ(NO_COLOR="1", LANG="C", LC_ALL="C")
    with window([*PROGRAM, "top"], environ) as tmux:
        tmux.sees("training", "live")
        colours = tmux.colours
        assert "38;" not in colours
        assert "48;" not in colours
        assert tmux.screen.isascii()
        assert tmux.mode("mouse_any_flag") == "0"
        tmux.types("F2")
        wait_until(lambda: tmux.mode("mouse_any_flag") == "1", what="the mouse")
        tmux.types("q")
        tmux.sees("ended with 0")


def test_no_secret_anywhere(hai: Person) -> None:
    token = hai.live.tokens["root"]
    with window([*PROGRAM, "top", "queue"], hai.environ()) as tmux:
        tmux.sees("live")
        for key in ("1", "5", "6", "7", "?", "q", "C-p"):
            tmux.types(key)
            assert token not in tmux.screen
        assert token not in command_lines()
        tmux.types("C-c")
        tmux.sees("ended with 0")
    assert token not in hai.live.log()


def test_the_pager_is_the_users_own(hai: Person, tmp_path: Path) -> None:
    task_id = hai.submit("once.sh", "echo marvellous; sleep 600")
    hai.live.wait(task_id, "running")
    environ = hai.environ(PAGER=f"cp --target-directory={tmp_path}")
    with window([*PROGRAM, "top", "logs", str(task_id)], environ) as tmux:
        tmux.sees("marvellous")
        tmux.types("o")
        wait_until(lambda: any(tmp_path.iterdir()), what="the pager")
        tmux.sees("marvellous")
        tmux.types("q")
        tmux.sees("ended with 0")
    hai("stop", str(task_id), "-y")
    assert "marvellous" in next(tmp_path.iterdir()).read_text()


def test_an_older_servers_missing_routes_are_told(hai: Person) -> None:
    """The dashboard may be newer than the server: it says so and does what it can."""
    task_id = hai.hollow("asked-about")
    with window([*PROGRAM, "top", "queue", "asked-about"], hai.environ()) as tmux:
        tmux.sees("asked-about", "1/1")
        tmux.types("w")
        tmux.sees(f"why task {task_id}")
        tmux.types("q")
        tmux.sees("1/1")
        tmux.types("+")
        tmux.sees("Priority ", "hai-cli priority", "Change")
    hai("stop", str(task_id), "-y")


# for scripts


def test_once_prints_the_queue(hai: Person) -> None:
    task_id = hai.hollow("printed-once")
    hai.live.wait(task_id, "running")
    done = hai("top", "--once")
    assert done.code == 0
    assert "nodes free" in done.out
    assert any(
        str(task_id) in line and "printed-once" in line and "running" in line
        for line in done.out.splitlines()
    )
    assert "\x1b" not in done.out
    answer = json.loads(hai("top", "--once", "-o", "json").out)
    assert task_id in [row["id"] for row in answer["tasks"]]
    assert answer["schema_version"] == 1
    assert hai.live.tokens["root"] not in json.dumps(answer)
    hai("stop", str(task_id), "-y")


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("top",), 2, "--once"),
        (("top", "--once", "-o", "csv"), 2, "no format csv"),
        (("top", "--once", "users"), 2, "not users"),
        (("top", "--once", "-l", "nonsense"), 2, "is no label"),
        (("top", "--once", "--url", "http://127.0.0.1:9"), 7, "no answer"),
    ],
)
def test_what_can_not_be_shown_is_told(
    hai: Person, words: tuple[str, ...], code: int, said: str
) -> None:
    done = hai(*words)
    assert done.code == code
    assert said in done.err


def test_a_wrong_token_is_told_after_the_screen_is_given_back(live: Live, tmp_path: Path) -> None:
    conf = tmp_path / "conf.yaml"
    conf.touch(0o600)
    conf.write_text(f"url: {live.url}\ntoken: hai_nonsense\n")
    person = Person(live)
    with window([*PROGRAM, "top"], person.environ(HAI_CONF=os.fspath(conf))) as tmux:
        tmux.sees("the token is unknown", "hint: log in again", "ended with 4")
        assert tmux.mode("alternate_on") == "0"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("top", "queu"), "did you mean :queue?"),
        (("top", "--theme", "pink"), "there is no theme 'pink'"),
    ],
)
def test_a_wrong_beginning_is_told_before_the_screen_is_taken(
    hai: Person, words: tuple[str, ...], said: str
) -> None:
    with window([*PROGRAM, *words], hai.environ(), width=160) as tmux:
        tmux.sees(said, "ended with 2")


def test_it_begins_with_a_filter_by_label(hai: Person) -> None:
    task_id = hai.hollow("labelled")
    hai.live.wait(task_id, "running")
    with window([*PROGRAM, "top", "-l", "name=labelled"], hai.environ()) as tmux:
        tmux.sees("/-l name=labelled", str(task_id), "1/1")
        tmux.types("=")
        tmux.sees("hai-cli list -a --name labelled")
        tmux.types("q")
        tmux.sees("ended with 0")
    printed = hai("top", "--once", "-l", "name=labelled")
    assert printed.code == 0
    assert str(task_id) in printed.out.splitlines()[-1]
    hai("stop", str(task_id), "-y")


def test_a_wrong_keymap_is_told(hai: Person, tmp_path: Path) -> None:
    (tmp_path / "hai").mkdir()
    (tmp_path / "hai" / "top.toml").write_text('[keys]\ndance = "d"\n')
    with window([*PROGRAM, "top"], hai.environ(XDG_CONFIG_HOME=os.fspath(tmp_path))) as tmux:
        tmux.sees("there is no such action", "ended with 2")


def test_a_shell_and_a_forwarded_port(hai: Person) -> None:
    task = running(hai.live, "entered.py", text=SERVES)
    port = int(hai.live.text(task).split()[1])
    try:
        with window([*PROGRAM, "top", "queue"], hai.environ()) as tmux:
            tmux.sees("entered.py", "live")
            tmux.types("/", *"entered", "Enter")
            tmux.sees("/entered")
            tmux.types("s")
            tmux.sees(str(hai.desk))  # the shell's prompt
            tmux.types(*"echo $HAI_TASK_ID-$((6*7))", "Enter")
            tmux.sees(f"{task}-42")
            tmux.types(*"exit 3", "Enter")
            tmux.sees("exit code 3", "entered.py")
            tmux.types("F", *f":{port}", "Enter")
            tmux.sees(f"is port {port} of rank 0")
            line = next(one for one in tmux.screen.splitlines() if f"is port {port}" in one)
            here = int(line.partition("127.0.0.1:")[2].split()[0])
            page = httpx2.get(f"http://127.0.0.1:{here}/", timeout=PATIENCE_SECONDS)
            assert b"entered.py" in page.content
            tmux.types("q")
        wait_until(lambda: f"port-forward {task}" not in command_lines(), what="the forward's end")
    finally:
        stopped(hai.live, task)
