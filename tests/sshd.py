"""A real sshd on loopback, for the user who runs the tests, and a home whose ssh knows it."""

import getpass
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.live import free_port
from tests.waiting import PATIENCE_SECONDS, wait_until

SSHD = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")


@dataclass(frozen=True, slots=True)
class Sshd:
    """`home` has .ssh/config, in which the server is called `name`."""

    home: Path
    name: str
    port: int


@contextmanager
def sshd(folder: Path, *, sftp_only: bool = False, path: str = "") -> Iterator[Sshd]:
    """Runs until the end of the context. `path`: the PATH of programs there."""
    assert SSHD is not None
    home = folder / "sshhome"
    (home / ".ssh").mkdir(parents=True, mode=0o700)
    for name in ("host", "own", "other"):
        words = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(home / ".ssh" / name)]
        subprocess.run(words, check=True)
    own = (home / ".ssh" / "own.pub").read_text()
    (home / ".ssh" / "authorized_keys").write_text(own)
    port = free_port()
    settings = folder / "sshd_config"
    text = _settings(home, port, sftp_only=sftp_only)
    settings.write_text(text + (f"SetEnv PATH={path}\n" if path else ""))
    Path("/run/sshd").mkdir(exist_ok=True)  # where root's sshd goes before log-in
    log = folder / "sshd.log"
    server = subprocess.Popen([SSHD, "-D", "-f", str(settings), "-E", str(log)])
    try:
        wait_until(lambda: "Server listening" in log.read_text() if log.exists() else False)
        yield Sshd(home, "twin", port)
    finally:
        server.terminate()
        server.wait(PATIENCE_SECONDS)


def _settings(home: Path, port: int, *, sftp_only: bool) -> str:
    kind, key = (home / ".ssh" / "host.pub").read_text().split()[:2]
    (home / ".ssh" / "known_hosts").write_text(f"[127.0.0.1]:{port} {kind} {key}\n")
    (home / ".ssh" / "config").write_text(
        f"Host twin\n  HostName 127.0.0.1\n  Port {port}\n  User {getpass.getuser()}\n"
        f"  IdentityFile {home}/.ssh/own\n  IdentitiesOnly yes\n"
        f"  UserKnownHostsFile {home}/.ssh/known_hosts\n"
    )
    return (
        f"Port {port}\nListenAddress 127.0.0.1\nHostKey {home}/.ssh/host\nUsePAM no\n"
        f"AuthorizedKeysFile {home}/.ssh/authorized_keys\nStrictModes no\nPidFile none\n"
        "PasswordAuthentication no\nPermitRootLogin prohibit-password\n"
        "Subsystem sftp internal-sftp\n" + ("ForceCommand internal-sftp\n" if sftp_only else "")
    )
