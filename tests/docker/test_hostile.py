"""Two users who do not trust each other, on one engine."""

import json
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.docker.engine import IMAGE, PrivateEngine
from tests.docker.platform import DockerPlatform
from tests.live import BOB_UID
from tests.waiting import wait_until

pytestmark = pytest.mark.acceptance

_LONG = 180
_VICTIM = """\
import os, socket, sys, threading, time
server = socket.socket()
server.bind(("", 4711))
server.listen()
own = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
own.connect((os.environ["HAI_SERVER"].split("//")[1].split(":")[0], 9))
open("secret.txt", "w").write("mine")
os.chmod("secret.txt", 0o600)
print("at", own.getsockname()[0], os.environ["MASTER_ADDR"], flush=True)
time.sleep(600)
"""
_SPY = """\
import glob, os, socket, sys
at, bus, database, logs, data = sys.argv[1:]
print("uid", os.getuid(), os.getgid(), os.getgroups())
def opens(path):
    try:
        open(path, "rb").close()
        print("OPEN", path)
    except OSError as error:
        print("closed", path, error.strerror)
def connects(family, where, name):
    s = socket.socket(family)
    s.settimeout(3)
    try:
        s.connect(where)
        print("REACHED", name)
    except OSError as error:
        print("unreached", name)
for path in ("/hai/spec/spec.json", "/hai/worker/exit.json", "/hai/worker/agent.pid",
             "secret.txt", "/proc/1/environ", "/proc/1/mem"):
    opens(path)
try:
    open("/hai/agent/agent.pyz", "r+b").close()
    print("OPEN agent")
except OSError:
    print("closed agent")
print("others", [p for p in (logs, data, "/var/run/docker.sock", "/run/docker.sock")
                 if os.path.exists(p)])
print("sockets", [p for p in glob.glob("/tmp/**", recursive=True) if os.path.exists(p)
                  and "docker.sock" in p or ".s.PGSQL" in p])
connects(socket.AF_INET, (at, 4711), "victim")
gateway = os.environ["HAI_SERVER"].split("//")[1].split(":")[0]
connects(socket.AF_INET, (gateway, int(bus)), "bus")
connects(socket.AF_INET, (database, 5432), "database")
print("caps", [l.split()[1] for l in open("/proc/self/status") if l.startswith("Cap")])
print("nnp", [l.split()[1] for l in open("/proc/self/status") if l.startswith("NoNewPrivs")])
print("environ", sorted(k for k in os.environ if "TOKEN" in k or "SECRET" in k))
print("pids", len([p for p in os.listdir("/proc") if p.isdigit()]) < 6)
"""


_LISTEN = """\
import socket, sys
server = socket.create_server((sys.argv[1], int(sys.argv[2])))
print(server.getsockname()[1], flush=True)
while True:
    server.accept()[0].close()
"""
_CONNECT = "import socket, sys; socket.create_connection((sys.argv[1], int(sys.argv[2])), 10)"


@pytest.fixture
def bus(engine: PrivateEngine) -> Iterator[str]:
    """The port of something that listens on the machine's loopback alone."""
    listen = [*engine.inside(), sys.executable, "-c", _LISTEN, "127.0.0.1", "0"]
    with subprocess.Popen(listen, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.kill()


@pytest.fixture
def database(engine: PrivateEngine) -> Iterator[str]:
    """The address of a container that listens on a network of the platform's own, as compose has
    it."""
    assert engine.call("POST", "/networks/create", {"Name": "platform"}).status == 201
    command = ["python3", "-c", _LISTEN, "", "5432"]
    host = {"NetworkMode": "platform"}
    body = {"Image": IMAGE, "Cmd": command, "HostConfig": host}
    made = engine.call("POST", "/containers/create", body, name="database")
    assert made.status == 201, made.text
    assert engine.call("POST", "/containers/database/start").status == 204
    address = engine.inspect("database")["NetworkSettings"]["Networks"]["platform"]["IPAddress"]
    wait_until(lambda: reaches(engine, address, "5432"), what="the database")
    yield address
    engine.remove("database")
    assert engine.call("DELETE", "/networks/platform").status == 204


def reaches(engine: PrivateEngine, address: str, port: str) -> bool:
    """Whether the machine itself does."""
    connect = [*engine.inside(), sys.executable, "-c", _CONNECT, address, port]
    return subprocess.run(connect, capture_output=True, check=False).returncode == 0


def test_users_cannot_reach_each_other_or_the_platform(
    platform: DockerPlatform, bus: str, database: str
) -> None:
    victim = platform.submit(name=platform.script_of("victim.py", _VICTIM))
    platform.wait_text(victim, "at ")
    words = platform.text(victim).split()
    at = words[words.index("at") + 1]
    assert words[words.index("at") + 2] == at
    elsewhere = platform.data_dir / "logs" / str(victim)
    parameters = f"{at} {bus} {database} {elsewhere} {platform.data_dir / 'secret'}"
    for address, port in ((at, "4711"), ("127.0.0.1", bus), (database, "5432")):
        assert reaches(platform.engine, address, port)  # what is tried is there
    spy = platform.submit("bob", name=platform.script_of("spy.py", _SPY), parameters=parameters)
    platform.wait(spy, "succeeded", timeout=_LONG)
    said = platform.text(spy)
    assert f"uid {BOB_UID} {BOB_UID}" in said
    assert "OPEN" not in said, said
    assert said.count("closed") == 7, said
    assert "REACHED" not in said, said
    assert said.count("unreached") == 3, said
    assert "others []" in said
    assert "sockets []" in said
    assert "environ []" in said
    assert "pids True" in said
    assert "caps ['" + "', '".join(["0" * 16] * 3), said
    caps = said.partition("caps ")[2].splitlines()[0]
    # inheritable, permitted, effective, bounding, ambient: what root's agent may is out of reach
    values = [int(word.strip("[],'"), 16) for word in caps.split()]
    assert (values[1], values[2], values[4]) == (0, 0, 0)
    assert "nnp ['1']" in said
    platform.stop_task(victim)
    folder = platform.data_dir / "logs" / str(spy) / "1"
    assert (folder.stat().st_uid, folder.stat().st_mode & 0o7777) == (BOB_UID, 0o2750)
    left = {"/database", "platform"}
    wait_until(lambda: set(platform.engine.left()) == left, _LONG, what="nothing else left")


def test_what_the_engine_shows_holds_no_token(platform: DockerPlatform) -> None:
    task = platform.submit("bob", name=platform.script_of("nap.py", "import time\ntime.sleep(600)"))
    wait_until(lambda: platform.engine.containers(), what="its container")
    platform.wait(task, "running", timeout=_LONG)
    shown = platform.engine.inspect(platform.container_of(task))
    assert "haiw_" not in json.dumps(shown)
    host = shown["HostConfig"]
    assert host["Privileged"] is False
    assert host["CapDrop"] == ["ALL"]
    assert host["PidsLimit"] == 16384
    assert host["LogConfig"]["Config"]["max-size"]
    assert host["NetworkMode"] == shown["Name"].lstrip("/").rpartition("-")[0]
    memory = platform.nodes_now()[platform.detail(task)["assigned_nodes"][0]]["memory_bytes"]
    assert (host["Memory"], host["MemorySwap"], host["ShmSize"]) == (memory,) * 3
    platform.stop_task(task)
    platform.wait_clean()


def test_two_ranks_of_one_attempt_reach_each_other(platform: DockerPlatform) -> None:
    name = platform.script_of(
        "meet.py",
        "import os, socket\n"
        "rank, where = int(os.environ['RANK']), int(os.environ['MASTER_PORT'])\n"
        "if rank == 0:\n"
        "    s = socket.create_server(('', where)); c, _ = s.accept(); print('got', c.recv(9))\n"
        "else:\n"
        "    import time\n"
        "    for _ in range(600):\n"
        "        try:\n"
        "            c = socket.create_connection((os.environ['MASTER_ADDR'], where), 5); break\n"
        "        except OSError: time.sleep(.1)\n"
        "    c.sendall(b'hello')\n",
    )
    task = platform.submit("bob", name=name, nodes=2)
    platform.wait(task, "succeeded", timeout=_LONG)
    assert "got b'hello'" in platform.text(task)
    platform.wait_clean()


def test_an_engine_of_two_platforms(engine: PrivateEngine, platform: DockerPlatform) -> None:
    """Containers without our label are nobody's business of ours."""
    body = {"Image": "local/python:1", "Cmd": ["sleep", "600"], "Labels": {"hai.platform": "x"}}
    made = engine.call("POST", "/containers/create", body, name="foreign")
    assert made.status == 201, made.text
    started = engine.call("POST", "/containers/foreign/start")
    assert started.status == 204, started.text
    task = platform.submit("bob", name=platform.script_of("quick.py", "print('quick')"))
    platform.wait(task, "succeeded", timeout=_LONG)
    wait_until(lambda: engine.left() == ["/foreign"], what="nothing else left")
    assert engine.inspect("foreign")["State"]["Status"] == "running"
    engine.remove("foreign")
