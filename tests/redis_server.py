"""A redis-server of our own, with or without password and TLS; it keeps nothing."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from redis import Redis
from redis.exceptions import RedisError

from tests.waiting import wait_until


@dataclass(frozen=True)
class Certificates:
    """A certificate authority made for one test, and a server that it vouches for by `name`."""

    folder: Path

    @property
    def authority(self) -> Path:
        return self.folder / "ca.pem"

    def make(self, name: str = "127.0.0.1") -> "Certificates":
        kind = "IP" if name[0].isdigit() else "DNS"
        (self.folder / "names").write_text(f"subjectAltName={kind}:{name}\n")
        new = "req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes"
        self._run(f"{new} -x509 -keyout ca.key -out ca.pem -subj /CN=test-authority -days 2")
        self._run(f"{new} -keyout server.key -out server.csr -subj /CN={name}")
        signed = "x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial"
        self._run(f"{signed} -out server.pem -extfile names -days 2")
        return self

    def _run(self, words: str) -> None:
        command = ["openssl", *words.split()]
        subprocess.run(command, cwd=self.folder, check=True, capture_output=True)


class RedisServer:
    """On a Unix socket, and with `certificates` also on a TLS port of this machine."""

    def __init__(
        self, folder: Path, *, password: str = "", certificates: Certificates | None = None
    ) -> None:
        self.folder = folder
        self.socket = folder / "redis.sock"
        self.password = password
        self._certificates = certificates
        self._process: subprocess.Popen[bytes] | None = None
        self.tls_port = 0
        if certificates is not None:
            from tests.live import free_port

            self.tls_port = free_port()

    @property
    def url(self) -> str:
        return f"unix://{self.socket}"

    @property
    def tls_url(self) -> str:
        return f"rediss://127.0.0.1:{self.tls_port}/0"

    def start(self) -> None:
        binary = shutil.which("redis-server")
        assert binary
        settings = ["port 0", f"unixsocket {self.socket}", 'save ""', "appendonly no"]
        settings.append(f"dir {self.folder}")
        if self.password:
            settings.append(f"requirepass {self.password}")
        if self._certificates is not None:
            folder = self._certificates.folder
            settings += [f"tls-port {self.tls_port}", "bind 127.0.0.1", "tls-auth-clients no"]
            settings += [f"tls-cert-file {folder}/server.pem", f"tls-key-file {folder}/server.key"]
            settings.append(f"tls-ca-cert-file {folder}/ca.pem")
        file = self.folder / "redis.conf"
        file.touch(0o600)
        file.write_text("\n".join(settings) + "\n")
        self._process = subprocess.Popen([binary, str(file)], stdout=subprocess.DEVNULL)
        wait_until(self._has_come_up, what="redis-server")

    def _has_come_up(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, "redis-server has ended"
        return self._answers()

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def client(self) -> Redis:
        return Redis(unix_socket_path=str(self.socket), password=self.password or None)

    def _answers(self) -> bool:
        with self.client() as client, suppress(RedisError, OSError):
            return bool(client.ping())
        return False


@contextmanager
def running_redis(*, password: str = "", tls: bool = False) -> Iterator[RedisServer]:
    """A server for as long as it is needed; without the programs for it the test is skipped."""
    for program in ("redis-server", *(("openssl",) if tls else ())):
        if shutil.which(program) is None:
            reason = f"{program} is not installed"
            if os.environ.get("CI") == "true":
                pytest.fail(reason)
            pytest.skip(reason)
    with TemporaryDirectory(prefix="hai-redis-") as name:  # socket paths are short
        folder = Path(name)
        certificates = Certificates(folder).make() if tls else None
        server = RedisServer(folder, password=password, certificates=certificates)
        server.start()
        try:
            yield server
        finally:
            server.kill()
