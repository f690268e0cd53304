"""hai-cli shell on a live platform: the program's surroundings, exit codes, terminals, ends."""

import json
import os
import pwd
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from hai.agent.channel import websocket
from tests.acceptance.conftest import MakeLive
from tests.acceptance.person import Person
from tests.acceptance.tasks import running, stopped
from tests.live import BOB_UID, Live
from tests.pythons import python_3_8
from tests.waiting import wait_until

pytestmark = pytest.mark.acceptance


@pytest.fixture(scope="module")
def task(shared_live: Live) -> Iterator[int]:
    """One task of two ranks for the whole module."""
    task = running(shared_live, "shared.sh", nodes=2)
    yield task
    stopped(shared_live, task)


def test_a_command_has_the_program_s_surroundings(
    hai: Person, task: int, shared_live: Live
) -> None:
    code = "import json,os;print(json.dumps([dict(os.environ),os.getuid(),os.getcwd()]))"
    done = hai("shell", str(task), "--rank", "1", "--", "python3", "-c", code)
    assert done.code == 0, done.err
    environment, uid, folder = json.loads(done.out)
    assert uid == os.getuid()
    assert folder == str(shared_live.work_dir)
    assert environment["HAI_TASK_ID"] == str(task)
    assert environment["RANK"] == "1"
    assert environment["MASTER_ADDR"]


def test_exit_codes_streams_and_input_are_kept(hai: Person, task: int) -> None:
    done = hai("shell", str(task), "--", "cat; echo oops >&2; exit 37", stdin=b"a\0b\n" * 300_000)
    assert (done.code, done.raw, done.err) == (37, b"a\0b\n" * 300_000, "oops\n")
    assert hai("shell", str(task), "--", "kill -TERM $$").code == 143
    assert hai("shell", str(task), "--", "no-such-program", "x").code == 127


def test_a_terminal_gets_sizes_keys_and_the_exit_code(hai: Person, task: int) -> None:
    with hai.terminal("shell", str(task)) as shell:
        shell.child.sendline("stty size; echo tty=$(tty) rank=$HAI_RANK")
        shell.child.expect("24 80")
        shell.child.expect("tty=/dev/pts/[0-9]+ rank=0")
        shell.child.setwinsize(40, 132)
        shell.child.sendline("until stty size | grep '40 132'; do :; done; echo resiz''ed")
        shell.child.expect("resized")
        shell.child.sendline("sleep 600; echo status=$?")
        shell.child.sendline("")  # typed ahead
        wait_until(
            lambda: any("sleep 600" in line for line in below_shells(hai.live)), what="sleep"
        )
        shell.child.sendintr()
        shell.child.expect("\\^C")
        shell.child.sendline("exit 7")
        shell.child.wait()
        assert shell.child.exitstatus == 7


def below_shells(live: Live) -> list[str]:
    """Command lines of what runs in sessions of shells."""
    lines = []
    for process in live.programs():
        with suppress(psutil.NoSuchProcess):  # it ended just now
            lines.append(" ".join(process.cmdline()))
    return lines


def test_several_ranks_answer_line_by_line(hai: Person, task: int) -> None:
    done = hai("shell", str(task), "--rank", "all", "--", "echo I am $HAI_RANK; exit $HAI_RANK")
    assert sorted(done.out.splitlines()) == ["[0] I am 0", "[1] I am 1"]
    assert done.code == 1
    assert hai("shell", str(task), "--rank", "0-1").code == 2


def test_what_cannot_be_entered_says_why(hai: Person, task: int, shared_live: Live) -> None:
    beyond = hai("shell", str(task), "--rank", "2", "--", "true")
    assert beyond.code == 2
    assert "ranks are 0 to 1" in beyond.err
    shared_live.script("done.sh", "true\n")
    done = shared_live.submit(name="done.sh")
    shared_live.wait(done, "succeeded")
    ended = hai("shell", str(done), "--", "true")
    assert ended.code == 6
    assert "does not run" in ended.err
    assert hai("shell", "no-such-task", "--", "true").code == 3
    shared_live.add_user("eve")
    denied = Person(shared_live, "eve")("shell", str(task), "--", "true")
    assert denied.code == 5
    assert "belongs to root" in denied.err


def test_the_end_of_the_task_ends_its_shells(live: Live) -> None:
    """Also those that ignore every signal, and what they left in the background."""
    person = Person(live)
    task = running(live, "short.sh")
    stubborn = "trap '' HUP TERM INT; (setsid sleep 601 &); echo in; while :; do sleep 1; done"
    shell = person.start("shell", str(task), "--", stubborn)
    with shell:
        assert shell.stdout is not None
        assert shell.stderr is not None
        assert shell.stdout.readline() == b"in\n"
        with live.client() as client:
            client.post(f"/tasks/{task}/stop", json={})
        _, err = shell.communicate(timeout=60)
        assert shell.returncode == 7
        assert f"rank 0 of task {task} has ended" in err.decode()
    live.wait(task, "stopped")
    assert not live.programs()
    wait_until(lambda: not live.agents(), what="no agent left over")


def test_a_closed_client_leaves_nothing_behind(hai: Person, task: int) -> None:
    shell = hai.start("shell", str(task), "--", "trap '' HUP; echo in; sleep 602 & wait; wait")
    with shell:
        assert shell.stdout is not None
        assert shell.stdout.readline() == b"in\n"
        shell.kill()
    wait_until(lambda: not any("602" in line for line in below_shells(hai.live)), what="its end")


@pytest.mark.skipif(os.getuid() != 0, reason="only root can run programs as somebody else")
def test_a_shell_is_the_user_and_never_the_platform(live: Live) -> None:
    live.add_user("bob")
    task = running(live, "bobs.sh", user="bob")
    line = "id -u; grep -c CapEff.*00000000 /proc/self/status; cat $HAI_CONTROL_DIR/../spec.json"
    done = Person(live, "bob")("shell", str(task), "--", line)
    assert done.out.splitlines() == [str(BOB_UID), "1"]
    assert "Permission denied" in done.err
    # an admin may enter, and is bob there
    assert "entered" not in live.events(task)
    assert Person(live)("shell", str(task), "--", "id -u").out == f"{BOB_UID}\n"
    assert "task.entered: root opened a channel into rank 0" in live.reasons(task)
    with pytest.raises(KeyError):
        pwd.getpwuid(BOB_UID)


def test_the_number_of_channels_is_bounded(make_live: MakeLive) -> None:
    live = make_live(settings={"HAI_CHANNELS__PER_WORKER": "2", "HAI_CHANNELS__PER_USER": "3"})
    person = Person(live)
    task = running(live, "bounded.sh", nodes=2)
    open_ones = []
    for rank in ("0", "0", "1"):
        one = person.start("shell", str(task), "--rank", rank, "--", "echo in; sleep 600")
        open_ones.append(one)
        assert one.stdout is not None
        assert one.stdout.readline() == b"in\n"
    per_worker = person("shell", str(task), "--", "true")
    assert per_worker.code == 6
    assert "2 channels into rank 0" in per_worker.err
    per_user = person("shell", str(task), "--rank", "1", "--", "true")
    assert "3 channels of root are open" in per_user.err
    for one in open_ones:
        one.kill()
        one.communicate()
    wait_until(
        lambda: person("shell", str(task), "--", "true").code == 0,
        what="a place that is free again",
    )


def test_idle_channels_are_closed(make_live: MakeLive) -> None:
    live = make_live(settings={"HAI_CHANNELS__IDLE_SECONDS": "1"})
    task = running(live, "idle.sh")
    done = Person(live)("shell", str(task), "--", "sleep 600")
    assert done.code == 7
    assert "nothing was said for 1 s" in done.err


def test_simulated_nodes_say_that_nobody_comes(make_live: MakeLive) -> None:
    live = make_live(hollow_nodes=1, settings={"HAI_CHANNELS__OPEN_SECONDS": "1"})
    person = Person(live)
    task = person.hollow("simulated")
    live.wait(task, "running")
    done = person("shell", str(task), "--", "true")
    assert done.code == 7
    assert "did not answer within 1 s" in done.err


def test_an_agent_on_python_3_8_has_all_of_it(make_live: MakeLive) -> None:
    live = make_live(settings={"HAI_AGENT__PYTHON": python_3_8()})
    person = Person(live)
    task = running(live, "old.sh")
    blob = os.urandom(1_000_000)
    done = person("shell", str(task), "--", "cat; exit 4", stdin=blob)
    assert (done.code, done.raw) == (4, blob), done.err
    (person.desk / "blob").write_bytes(blob)
    assert person("cp", "blob", f"{task}:copy").code == 0
    back = person("cp", f"{task}:copy", "back")
    assert back.code == 0, back.err
    assert (person.desk / "back").read_bytes() == blob
    if Path("/usr/sbin/sshd").exists():
        entered = person("ssh", str(task), "--", "exit 8")
        assert entered.code == 8, entered.err


def test_a_reader_that_rests_loses_nothing(hai: Person, task: int) -> None:
    """Longer than the time after which a silent side counts as gone."""
    shell = hai.start("shell", str(task), "--", "seq 1 400000")
    with shell:
        assert shell.stdin is not None
        assert shell.stdout is not None
        shell.stdin.close()
        first = shell.stdout.readline()
        rested = hai("shell", str(task), "--", "sleep 35; echo rested")
        assert rested.out == "rested\n", rested.err
        lines = [first, *shell.stdout]
        assert shell.wait(60) == 0
    assert lines == [b"%d\n" % number for number in range(1, 400_001)]


def test_a_server_that_stops_ends_its_channels_in_order(live: Live) -> None:
    """And a stranger's words at either end of a channel get none."""
    task = running(live, "stops.sh")
    for path, headers in (
        (f"/api/v1/tasks/{task}/channel", {}),
        (f"/api/v1/tasks/{task}/channel", {"Authorization": "Bearer hai_wrong"}),
        ("/api/v1/agent/channel?id=x", {"X-HAI-Worker": f"{task}.1.0"}),
        (
            "/api/v1/agent/channel?id=x",
            {"X-HAI-Worker": f"{task}.1.0", "Authorization": "Bearer haic_wrong"},
        ),
    ):
        with pytest.raises(websocket.ChannelRefused, match="HTTP 401"):
            websocket.connect(live.url, path, headers, 30)
    shell = Person(live).start("shell", str(task), "--", "echo in; sleep 600")
    with shell:
        assert shell.stdout is not None
        assert shell.stdout.readline() == b"in\n"
        live.stop()
        _, err = shell.communicate(timeout=60)
    assert shell.returncode == 7
    assert "the connection to rank 0" in err.decode()
    assert "Traceback" not in live.log()
    errors = [line for line in live.log().splitlines() if '"level": "error"' in line]
    assert [line for line in errors if "timeout graceful shutdown" not in line] == []  # long polls
    live.start()
    assert Person(live)("shell", str(task), "--", "exit 3").code == 3
