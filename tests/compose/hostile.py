"""Two users of one platform with Docker who do not trust each other."""

import subprocess
import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from scripts.hostile_driver.attacks.tasks import Ended, attempted
from scripts.hostile_driver.site import inside
from tests.compose.deployed import TOKEN, UID, USER, Deployed, Person
from tests.providers.site import Shell
from tests.waiting import wait_until

BOB, BOB_UID = "bob", 64322
BOB_TOKEN = "planted-token-of-the-second-user"  # noqa: S105
PORT = 4711
SECRET = "nobody-else-reads-this"  # noqa: S105
_VICTIM = f"""
import os, socket, time
server = socket.create_server(("", {PORT}))
open("secret.txt", "w").write("{SECRET}")
os.chmod("secret.txt", 0o600)
print("{SECRET}", flush=True)
while True:
    time.sleep(1)
"""
_CONNECT = "import socket, sys; socket.create_connection((sys.argv[1], int(sys.argv[2])), 10)"
_ENGINE = "2375"  # where engines that listen on the network do
_LISTENS = "0A"  # of /proc/net/tcp


def invite(deployed: Deployed) -> None:
    """Before hai-up run: a second user."""
    deployed.edit(USER_INFO=f"{USER}:{UID}:{TOKEN},{BOB}:{BOB_UID}:{BOB_TOKEN}")


class Bob(Person):
    def __init__(self, shell: Shell, folder: Path) -> None:
        self.shell, self.folder = shell, folder


@dataclass(frozen=True, slots=True)
class Attacker:
    """See `scripts.hostile_driver.attacks.tasks.TaskPlace`."""

    bob: Bob

    def state(self, task_id: int) -> str:
        return str(self.bob.detail(task_id)["state"])

    def ended(self, task_id: int) -> Ended:
        detail = self.bob.detail(task_id)
        return Ended(detail["state"], detail["why"] or "", self.bob.log(task_id))

    def stop(self, task_id: int) -> None:
        self.bob.shell.line(f"hai-cli stop {task_id} --yes")

    def submit(self, program: str, *words: str, **more: Any) -> int:
        """One of `inside`."""
        assert not more
        return self.bob.submit(program, inside(program), *words, "--", "-n", "1")


def users_are_kept_apart(deployed: Deployed) -> None:
    """The first user's task runs meanwhile; the platform's processes are all there."""
    victim = deployed.submit("victim.py", _VICTIM, "--", "-n", "1")
    deployed.wait_log(victim, SECRET)
    home = deployed.home.parent / BOB
    home.mkdir()
    shell = Shell(home=home, front=deployed.engine.inside())
    bob = Bob(shell, deployed.folder.parent / BOB)
    bob.init(BOB_TOKEN)
    files = _files(deployed)
    assert {"secret.txt", "signing-key", "pgpass", "hai-up.json", "PG_VERSION"} <= {
        path.name for path in files
    }
    assert any(SECRET in path.read_text(errors="replace") for path in files if path.is_file())
    attempted(Attacker(bob), "look.py", *map(str, files))
    targets = _targets(deployed, victim)
    attempted(Attacker(bob), "reach.py", *targets)
    _what_the_api_tells(bob, victim)
    deployed.shell.line(f"hai-cli stop {victim} --yes")
    deployed.wait(victim, "stopped")


def _files(deployed: Deployed) -> list[Path]:
    """What the other user and the platform have on this machine, each of which is there."""
    platform = deployed.share / "hai-platform"
    files = [path for path in (platform / "workspace" / "log").rglob("*") if path.is_file()]
    assert files, "the victim has no log"
    files += [deployed.folder / "secret.txt", *(platform / "secrets").iterdir()]
    files += [platform / "compose" / "hai-up.json", platform / "server" / "docker" / "platform"]
    files += [platform / "db" / "hai" / "postgres" / "PG_VERSION", deployed.engine.socket]
    assert [path for path in files if not path.exists()] == []
    return [*files, Path("/var/run/docker.sock"), Path("/run/docker.sock")]


def _targets(deployed: Deployed, victim: int) -> list[str]:
    """All that listens in the victim's container and in those of the platform, and what must not be
    open on the machine itself."""
    engine = deployed.engine
    [worker] = [
        engine.inspect(one["Id"])
        for one in engine.containers()
        if one["Labels"].get("hai.task") == str(victim)
    ]
    there = {"victim": worker, **deployed.containers()}
    found = {name: _listening(one) for name, one in there.items()}
    ports = {name: {one.rpartition(":")[2] for one in found[name]} for name in found}
    assert str(PORT) in ports["victim"]
    assert {name: "7420" in ports[name] for name in ("api", "control")} == {
        "api": True,
        "control": True,
    }
    assert "5432" in ports["postgres"]
    assert "6379" in ports["redis"]
    targets = [one for some in found.values() for one in some]
    for target in targets:
        wait_until(partial(_reaches, deployed, target), what=f"{target} is there")
    machine = (engine.address, "172.17.0.1")
    closed = [f"{host}:{port}" for host in machine for port in ("5432", "6379", _ENGINE)]
    return targets + closed


def _listening(container: dict[str, Any]) -> list[str]:
    """ADDRESS:PORT of what listens there for others than itself."""
    [network] = container["NetworkSettings"]["Networks"].values()
    lines = Path(f"/proc/{container['State']['Pid']}/net/tcp").read_text().splitlines()[1:]
    rows = [line.split() for line in lines]
    local = [row[1].split(":") for row in rows if row[3] == _LISTENS]
    ports = sorted({int(port, 16) for address, port in local if not address.endswith("7F")})
    return [f"{network['IPAddress']}:{port}" for port in ports if port]


def _reaches(deployed: Deployed, target: str) -> bool:
    """Whether the machine itself does."""
    connect = [*deployed.engine.inside(), sys.executable, "-c", _CONNECT, *target.split(":")]
    return subprocess.run(connect, capture_output=True, check=False).returncode == 0


def _what_the_api_tells(bob: Bob, victim: int) -> None:
    """With his own token: neither the log, nor a shell, nor a file of the other's task."""
    for words in (
        ("logs", str(victim)),
        ("shell", str(victim), "--", "cat", "secret.txt"),
        ("cp", f"{victim}:secret.txt", "stolen.txt"),
        ("stop", str(victim), "--yes"),
    ):
        done = bob.shell.tried("hai-cli", *words)
        assert done.code in (3, 5), done.text
        assert SECRET not in done.text
    assert not (bob.shell.home / "stolen.txt").exists()
