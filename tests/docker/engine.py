"""A Docker engine of the test run's own, in a network namespace of its own: several on one machine
would take each other's packet filters."""

import io
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlencode

import psutil

from tests.waiting import wait_until

ENVIRONMENT = dict(os.environ)  # taken now: tests run without the settings of whoever runs them
PREFIX = "hai-engine-"
_CACHE = Path(
    os.environ.get("HAI_TESTBED")
    or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "hai-testbed"
)
ARCHIVE = _CACHE / "images" / "python.tar"
IMAGE = "local/python:1"
_PROGRAMS = ("dockerd", "containerd", "runc", "iptables", "ip", "nsenter")
_PATH = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
_START_SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    text: str


class _UnixConnection(HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("docker", timeout=120)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


class PrivateEngine:
    """`folder` holds all that it has; `host` is this machine as its containers see it, `address`
    the namespace as this machine sees it."""

    def __init__(self, folder: Path, number: int, **settings: Any) -> None:
        self.folder = folder
        self.name = f"hai{secrets.token_hex(3)}"
        self.socket = folder / "docker.sock"
        self.host, self.address = f"10.213.{number}.1", f"10.213.{number}.2"
        self.settings = {"insecure-registries": ["10.213.0.0/16"], **settings}
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, *, timeout: float = _START_SECONDS) -> None:
        """Start it (again), and wait until it answers."""
        (self.folder / "daemon.json").write_text(json.dumps(self.settings))
        options = {
            "-H": f"unix://{self.socket}",
            "--data-root": self.folder / "data",
            "--exec-root": self.folder / "exec",
            "--pidfile": self.folder / "dockerd.pid",
            "--config-file": self.folder / "daemon.json",
        }
        words = [str(word) for pair in options.items() for word in pair]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [*self.inside(), "dockerd", *words],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**ENVIRONMENT, "PATH": f"{self.folder / 'bin'}:{_PATH}"},
                start_new_session=True,
            )
        wait_until(self.answers, timeout, what="the Docker engine")

    def inside(self) -> list[str]:
        """In front of a command that is to run in its network namespace."""
        return ["nsenter", f"--net=/run/netns/{self.name}"]

    def answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, (self.folder / "log").read_text()[-3000:]
        try:
            return self.call("GET", "/_ping").status == 200
        except OSError:
            return False

    def end(self, signum: signal.Signals = signal.SIGTERM) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.send_signal(signum)
            process.wait(120)
            # it ends with the engine, and holds the lock of its own store a moment longer
            pid_file = self.folder / "exec" / "containerd" / "containerd.pid"
            with suppress(OSError, ValueError, psutil.Error):
                psutil.Process(int(pid_file.read_text())).wait(60)

    # asking it

    def call(self, method: str, path: str, body: Any = None, **params: str) -> "Answer":
        """`body`: an open file, or something for JSON."""
        headers = {"Content-Type": "application/json"}
        data = body if body is None or hasattr(body, "read") else json.dumps(body).encode()
        query = f"?{urlencode(params)}" if params else ""
        with closing(_UnixConnection(self.socket)) as connection:
            connection.request(method, f"/v1.41{path}{query}", data, headers)
            answer = connection.getresponse()
            return Answer(answer.status, answer.read().decode())

    def ask(self, path: str, **params: str) -> Any:
        answer = self.call("GET", path, **params)
        assert answer.status == 200, answer.text
        return json.loads(answer.text)

    def containers(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.ask("/containers/json", all="1")
        return found

    def inspect(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = self.ask(f"/containers/{name}/json")
        return found

    def remove(self, name: str) -> None:
        """By hand, as docker rm -f does."""
        answer = self.call("DELETE", f"/containers/{name}", force="1")
        assert answer.status == 204, answer.text

    def left(self) -> list[str]:
        """Containers, networks and volumes that are not the engine's own."""
        names = [one["Names"][0] for one in self.containers()]
        own = ("bridge", "host", "none")
        names += [n["Name"] for n in self.ask("/networks") if n["Name"] not in own]
        return names + [v["Name"] for v in self.ask("/volumes")["Volumes"] or ()]

    def load(self, archive: Path) -> None:
        with archive.open("rb") as file:
            answer = self.call("POST", "/images/load", file)
        assert answer.status == 200, answer.text
        assert "errorDetail" not in answer.text, answer.text

    def derive(self, name: str, image: str, folder: str, files: Mapping[str, str]) -> None:
        """Another image with other texts in `folder`: `name` is REPOSITORY:TAG."""
        made = self.call("POST", "/containers/create", {"Image": image})
        assert made.status == 201, made.text
        container = json.loads(made.text)["Id"]
        try:
            where = f"/containers/{container}/archive?path={folder}"
            answer = self.call("PUT", where, _packed(files))
            assert answer.status == 200, answer.text
            repository, _, tag = name.partition(":")
            words = {"container": container, "repo": repository, "tag": tag}
            answer = self.call("POST", "/commit", **words)
            assert answer.status == 201, answer.text
        finally:
            self.remove(container)

    # its surroundings

    def make_network(self) -> None:
        veth = f"v{self.name}"
        for command in (
            f"ip netns add {self.name}",
            f"ip link add {veth} type veth peer name eth0 netns {self.name}",
            f"ip addr add {self.host}/30 dev {veth}",
            f"ip link set {veth} up",
            f"ip -n {self.name} addr add {self.address}/30 dev eth0",
            f"ip -n {self.name} link set eth0 up",
            f"ip -n {self.name} link set lo up",
            f"ip -n {self.name} route add default via {self.host}",
        ):
            run(command.split())

    def clean(self) -> None:
        """Nothing of it is left: processes, mounts, network, files."""
        self.end(signal.SIGTERM)
        clean_up(self.folder, self.name)


def _packed(files: Mapping[str, str]) -> io.BytesIO:
    """A tar archive. The bytecode of earlier texts is made empty: it would be used without a look
    at them, and so is made anew."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for name, text in files.items():
            path = PurePosixPath(name)
            parts = {name: text.encode()}
            if path.suffix == ".py":
                parts[str(path.parent / "__pycache__" / f"{path.stem}.cpython-311.pyc")] = b""
            for part, data in parts.items():
                info = tarfile.TarInfo(part)
                info.size, info.mode = len(data), 0o644
                archive.addfile(info, io.BytesIO(data))
    packed.seek(0)
    return packed


def run(command: Sequence[str], *, check: bool = True) -> None:
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env={**ENVIRONMENT, "PATH": _PATH}
    )
    assert not check or done.returncode == 0, done.stderr


def clean_up(folder: Path, name: str) -> None:
    _kill_below(folder)
    mounts = [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()]
    for mount in sorted((m for m in mounts if m.startswith(f"{folder}/")), reverse=True):
        run(["umount", "-l", mount], check=False)
    run(["ip", "netns", "delete", name], check=False)
    run(["ip", "link", "delete", f"v{name}"], check=False)
    shutil.rmtree(folder, ignore_errors=True)


def _kill_below(folder: Path) -> None:
    """Processes of this engine, which all name its folder: dockerd, containerd, shims."""
    victims = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if any(str(folder) in word for word in process.cmdline()[1:]):
                victims += [*process.children(recursive=True), process]
    for victim in victims:
        with suppress(psutil.Error):
            if victim.pid != os.getpid():
                victim.kill()
    psutil.wait_procs(victims, timeout=30)


def what_is_missing() -> str:
    """Why no engine can be started here, and what to do; empty: one can."""
    if os.geteuid() != 0:
        return "a Docker engine of our own needs root"
    lacking = [name for name in _PROGRAMS if shutil.which(name, path=_PATH) is None]
    if lacking:
        return f"missing: {', '.join(lacking)}; try: apt-get install docker.io iptables"
    if not ARCHIVE.exists():
        return f"no {ARCHIVE.name} in the testbed's cache; try: scripts/testbed/build-images"
    return ""


@contextmanager
def own_engine(**settings: Any) -> Iterator[PrivateEngine]:
    """One of our own with a Python image, taken down at the end."""
    _take_down_orphans()
    folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir="/tmp"))
    folder.chmod(0o755)
    (folder / "bin").mkdir()
    # what the engine looks for to know that there are NVIDIA GPUs; it asks it to bring them in
    hook = folder / "bin" / "nvidia-container-runtime-hook"
    hook.write_text("#!/bin/sh\nexit 0\n")
    hook.chmod(0o755)
    engine = _with_network(folder, **settings)
    try:
        engine.start()
        engine.load(ARCHIVE)
        yield engine
    finally:
        engine.clean()


def _with_network(folder: Path, **settings: Any) -> PrivateEngine:
    """One test run at a time: two would choose the same network."""
    with (Path(tempfile.gettempdir()) / "hai-engines.lock").open("w") as lock:
        os.lockf(lock.fileno(), os.F_LOCK, 0)
        engine = PrivateEngine(folder, _free_number(), **settings)
        owner = f"{engine.name} {os.getpid()} {psutil.Process().create_time()}"
        (folder / "owner").write_text(owner)
        try:
            engine.make_network()
        except BaseException:
            engine.clean()
            raise
    return engine


def _free_number() -> int:
    """Of a small network that nobody here has."""
    taken = {
        address.address for addresses in psutil.net_if_addrs().values() for address in addresses
    }
    return next(n for n in range(1, 255) if f"10.213.{n}.1" not in taken)


def _take_down_orphans() -> None:
    """Engines of test runs that were killed."""
    for owner in Path("/tmp").glob(f"{PREFIX}*/owner"):
        with suppress(OSError, ValueError):
            name, pid, created = owner.read_text().split()
            with suppress(psutil.NoSuchProcess):
                if abs(psutil.Process(int(pid)).create_time() - float(created)) < 1:
                    continue
            clean_up(owner.parent, name)
