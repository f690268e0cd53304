"""A platform of several server processes: api replicas behind one address, and control processes of
which one leads."""

import contextlib
import os
import signal
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import httpx2

from tests.balancer import Balancer
from tests.live import Live, free_port
from tests.waiting import PATIENCE_SECONDS, wait_until


@dataclass
class Replica:
    """One process. `ready()` is what its /ready says, None while it does not answer."""

    name: str
    role: str
    log_path: Path
    port: int = 0
    process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    def ready(self) -> dict[str, object] | None:
        with contextlib.suppress(httpx2.HTTPError):
            reply = httpx2.get(f"http://127.0.0.1:{self.port}/ready", timeout=5)
            if reply.status_code == 200:
                found: dict[str, object] = reply.json()
                return found
        return None

    def leads(self) -> bool:
        return bool((self.ready() or {}).get("leads"))

    def log(self) -> str:
        return self.log_path.read_text(errors="replace")

    def kill(self) -> None:
        self.end(signal.SIGKILL)

    def end(self, signum: signal.Signals) -> None:
        process, self.process = self.process, None
        if process is not None:
            process.send_signal(signum)
            process.wait(PATIENCE_SECONDS)


@dataclass
class Replicas(Live):
    """Live, whose address is that of the balancer."""

    bus: Mapping[str, str] = field(default_factory=dict)  # HAI_BUS__<KEY> by name
    replicas: dict[str, Replica] = field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.balancer = Balancer(self._api_ports)
        self.port = self.balancer.port

    def _api_ports(self) -> list[int]:
        return [one.port for one in self.replicas.values() if one.role == "api" and one.process]

    def begin(self, role: str, name: str, **settings: str) -> Replica:
        """Start one more process, or one that has ended anew, and wait until it is ready."""
        replica = self.replicas.setdefault(
            name, Replica(name, role, self.directory / f"{name}.log")
        )
        replica.port = free_port()
        own = {"HAI_SERVER__PORT": str(replica.port), "HAI_SERVER__URL": self.url}
        with replica.log_path.open("ab") as log:
            replica.process = subprocess.Popen(
                self.command("run", "--role", role),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**self.environment(), **self.bus, **own, **settings},
                start_new_session=True,
            )

        def is_ready() -> bool:
            assert replica.process is not None
            assert replica.process.poll() is None, replica.log()
            return replica.ready() is not None

        wait_until(is_ready, what=f"{name} to be ready")
        return replica

    def begin_all(self) -> None:
        """Two of each."""
        for role in ("control", "api"):
            for number in (1, 2):
                self.begin(role, f"{role}-{number}")

    def leader(self) -> Replica:
        """The control process that leads, once there is one."""

        def leading() -> list[Replica]:
            return [one for one in self.replicas.values() if one.process and one.leads()]

        return wait_until(leading, what="somebody leads")[0]

    def log(self) -> str:
        return "\n".join(one.log()[-2000:] for one in self.replicas.values())

    def close(self) -> None:
        for replica in self.replicas.values():
            with contextlib.suppress(ProcessLookupError):
                if replica.process is not None:
                    os.kill(replica.pid, signal.SIGCONT)
                replica.kill()
        super().close()
        self.balancer.close()
