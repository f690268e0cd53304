"""Lines without an end, and bytes of any kind, from a running program to whoever reads its log."""

import os

import pytest

from tests.acceptance.person import Person
from tests.waiting import wait_until

pytestmark = [pytest.mark.acceptance, pytest.mark.xdist_group("open_lines")]

# A bar without any line end, drawn at a steady rate; it waits in the middle and before its end.
BAR = r"""
import os, sys, time
def wait_for(name):
    at = 0
    while not os.path.exists(name):
        time.sleep(0.02)
sys.stdout.write("loading ... ")
sys.stdout.flush()
wait_for("go." + sys.argv[1])
for number in range(101):
    sys.stdout.write(f"\r{number:3d}% of {sys.argv[1]}")
    sys.stdout.flush()
    if number == 42:
        wait_for("half." + sys.argv[1])
wait_for("end." + sys.argv[1])
"""


def let(hai: Person, what: str, name: str) -> None:
    (hai.desk / f"{what}.{name}").touch()


def drawn(name: str, last: int) -> str:
    return "loading ... " + "".join(f"\r{n:3d}% of {name}" for n in range(last + 1))


def test_the_open_line_of_a_running_program(hai: Person) -> None:
    """`logs` gives it as it stands, `-f` each byte of it once; no line end is made up."""
    hai.live.script("bar.py", BAR)
    task_id = hai("python", "bar.py", "one", "--", "-q").out.strip()

    def logged() -> str:
        return hai("logs", task_id).out

    wait_until(lambda: logged() == "loading ... ", what="the open line")
    follower = hai.start("logs", "-f", task_id)
    let(hai, "go", "one")
    wait_until(lambda: logged() == drawn("one", 42), what="the bar")
    assert hai("logs", task_id, "--tail", "1").out == drawn("one", 42)
    let(hai, "half", "one")
    wait_until(lambda: logged() == drawn("one", 100), what="the whole bar")
    let(hai, "end", "one")
    out, _ = follower.communicate(timeout=60)
    assert out.decode() == drawn("one", 100)
    assert hai("logs", task_id).out == drawn("one", 100)


@pytest.mark.parametrize("options", [(), ("-r", "0,1"), ("-t",)], ids=["plain", "ranks", "times"])
def test_a_bar_is_redrawn_in_place_on_a_terminal(hai: Person, options: tuple[str, ...]) -> None:
    name = "bar" + "".join(options).replace(",", "")
    hai.live.script("bar.py", BAR)
    task_id = hai("python", "bar.py", name, "--", "-q", "-n", "2").out.strip()
    with hai.terminal("logs", "-f", task_id, *options) as terminal:
        terminal.sees("loading ... ")
        let(hai, "go", name)
        terminal.sees(f"42% of {name}")
        let(hai, "half", name)
        terminal.sees(f"100% of {name}")
        before = terminal.screen
        let(hai, "end", name)
        terminal.sees("succeeded")
        assert terminal.ends() == 0
    bars = before[before.index("loading") :]
    assert "\n" not in bars, "a bar has one line, however often it is drawn"
    assert f"100% of {name}\ntask" in terminal.screen.replace("\x1b[K", "").replace("\r", "")


def test_bytes_come_back_as_they_were_written(hai: Person) -> None:
    """10 MB in one line of characters of three bytes, then bytes that are no text at all."""
    data = ("." + "\N{SNOWMAN}" * 3_400_000 + "\r\n").encode() + os.urandom(200_000) + b"\xe2\x98"
    (hai.desk / "data.bin").write_bytes(data)
    hai.submit("cat.sh", "cat data.bin\n")
    assert hai("wait", "cat.sh").code == 0
    assert hai("logs", "cat.sh").raw == data
    assert hai("logs", "cat.sh", LC_ALL="C", PYTHONIOENCODING="latin-1").raw == data
    assert hai("logs", "-f", "cat.sh").raw == data
