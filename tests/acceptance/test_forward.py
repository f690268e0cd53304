"""hai-cli port-forward and cp on a live platform."""

import os
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from tests.acceptance.conftest import MakeLive
from tests.acceptance.forwarding import SERVES, exchanged, forwarded
from tests.acceptance.person import Person
from tests.acceptance.tasks import running, stopped
from tests.live import Live, free_port
from tests.waiting import PATIENCE_SECONDS, wait_until

pytestmark = pytest.mark.acceptance


@pytest.fixture(scope="module")
def task(shared_live: Live) -> Iterator[int]:
    task = running(shared_live, "serves.py", text=SERVES)
    yield task
    stopped(shared_live, task)


@pytest.fixture(scope="module")
def ports(shared_live: Live, task: int) -> tuple[int, int]:
    words = shared_live.text(task).split()
    at = words.index("ports")
    return int(words[at + 1]), int(words[at + 2])


def test_two_ports_carry_many_connections(hai: Person, task: int, ports: tuple[int, int]) -> None:
    web, echo = ports
    here = free_port()
    with forwarded(hai, str(task), f"{here}:{web}", f":{echo}") as (first, second):
        assert first == here
        page = httpx2.get(f"http://127.0.0.1:{first}/", timeout=PATIENCE_SECONDS)
        assert b"serves.py" in page.content
        calls = [socket.create_connection(("127.0.0.1", second), 30) for _ in range(20)]
        for number, call in enumerate(calls):
            call.settimeout(60)
            call.sendall(b"%d" % number)
        assert [call.recv(10) for call in calls] == [b"%d" % number for number in range(20)]
        calls[0].shutdown(socket.SHUT_WR)  # each direction ends on its own
        assert calls[0].recv(10) == b"bye"
        assert calls[0].recv(10) == b""
        blob = os.urandom(3 * 2**20)
        calls[1].setblocking(False)
        got = exchanged(calls[1], blob)
        assert got == blob
        for call in calls:
            call.close()


def test_a_port_where_nobody_listens_is_told(hai: Person, task: int) -> None:
    process = hai.start("port-forward", str(task), f":{free_port()}")
    with process:
        assert process.stderr is not None
        here = int(process.stderr.readline().decode().partition("127.0.0.1:")[2].split()[0])
        with socket.create_connection(("127.0.0.1", here), 30) as call:
            assert call.recv(1) == b""
        assert "connection refused" in process.stderr.readline().decode()
        process.terminate()
        process.communicate()


def test_a_forward_comes_back_after_the_server(make_live: MakeLive) -> None:
    live = make_live()
    person = Person(live)
    task = running(live, "serves.py", text=SERVES)
    echo = int(live.text(task).split()[2])
    with forwarded(person, str(task), f":{echo}") as (here,):
        live.kill()
        live.start()

        def answers() -> bool:
            try:
                with socket.create_connection(("127.0.0.1", here), 5) as call:
                    call.sendall(b"x")
                    return call.recv(1) == b"x"
            except OSError:
                return False

        wait_until(answers, 60, what="the port is forwarded again")


def test_files_and_folders_keep_their_bits(hai: Person, task: int, shared_live: Live) -> None:
    tree = shared_live.work_dir / "tree"
    (tree / "deep" / "er").mkdir(parents=True)
    blob = os.urandom(3_000_001)
    (tree / "deep" / "er" / "blob").write_bytes(blob)
    (tree / "run.sh").write_text("#!/bin/sh\n")
    (tree / "run.sh").chmod(0o751)
    (tree / "secret").write_text("s")
    (tree / "secret").chmod(0o600)
    (tree / "inner").symlink_to("deep/er/blob")
    (tree / "outer").symlink_to("/etc/passwd")
    (tree / ("long" * 50)).touch()
    (tree / "empty").mkdir()
    os.utime(tree / "run.sh", (1, 1_000_000_000))
    out = hai.desk / "out"
    out.mkdir()
    done = hai("cp", f"{task}:tree", "out")
    assert done.code == 0, done.err
    assert "outer -> /etc/passwd leads out" in done.err
    check_copy(out / "tree", blob)
    back = hai("cp", "out/tree", f"{task}:again")
    assert back.code == 0, back.err
    check_copy(shared_live.work_dir / "again", blob)
    one = hai("cp", f"{task}:tree/run.sh", "one.sh")
    assert one.code == 0, one.err
    assert stat.S_IMODE((hai.desk / "one.sh").stat().st_mode) == 0o751


def check_copy(copy: Path, blob: bytes) -> None:
    assert (copy / "deep" / "er" / "blob").read_bytes() == blob
    assert stat.S_IMODE((copy / "run.sh").stat().st_mode) == 0o751
    assert (copy / "run.sh").stat().st_mtime == 1_000_000_000
    assert stat.S_IMODE((copy / "secret").stat().st_mode) == 0o600
    assert (copy / "inner").readlink() == Path("deep/er/blob")
    assert not (copy / "outer").is_symlink()
    assert (copy / ("long" * 50)).is_file()
    assert (copy / "empty").is_dir()


def test_what_cannot_be_copied_says_why(hai: Person, task: int) -> None:
    missing = hai("cp", f"{task}:no/such", ".")
    assert missing.code == 1
    assert "No such file" in missing.err
    assert hai("cp", "no-such-file", f"{task}:").code == 3
    assert hai("cp", "a", "b").code == 2
    assert hai("cp", f"{task}:serves.py", "/proc/nowhere").code == 1
