"""OpenSSH's client into tasks: its key, its known hosts and its configuration, in a folder of ours
beside the profile."""

from __future__ import annotations

import os
import pwd
import shlex
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hai.agent.channel.loop import PollLoop
from hai.agent.channel.pump import Pump, StreamSink, StreamSource
from hai.cli.remote.link import CommandChannel, failed, unblocked
from hai.client.profile import conf_path
from hai.console.terminal import printable
from hai.errors import HaiError, InvalidInput, PlatformError
from hai.files import held, open_lock, write_whole

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from hai.cli.session import Session

PREFIX = "hai-"
_KNOWN = 1000  # hosts that are remembered
_ENTRY = """\
# Written by `hai-cli ssh --config`: `ssh hai-12` goes into task 12, `ssh hai-12.1` into its rank 1.
Host {prefix}*
    User {user}
    ProxyCommand {proxy} ssh --proxy %n %r
    IdentityFile "{folder}/id_ed25519"
    IdentitiesOnly yes
    UserKnownHostsFile "{folder}/known_hosts"
    StrictHostKeyChecking yes
    CheckHostIP no
    UpdateHostKeys no
    ServerAliveInterval 10
    ServerAliveCountMax 3
"""


class OpenSshFolder:
    """Where all of it lies. PlatformError when it cannot be written."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self.path = conf_path(environ).parent.absolute() / "ssh"
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise PlatformError(f"cannot make {self.path}: {error.strerror}") from None
        if set('"%\n') & set(str(self.path)):
            raise PlatformError(f"OpenSSH cannot name {self.path}", hint="set HAI_CONF elsewhere")

    def public_key(self) -> str:
        """Of the profile's key, which is made when there is none."""
        key = self.path / "id_ed25519"
        with held(open_lock(self.path / ".lock")):
            if not key.exists():
                _run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "hai", "-f", str(key))
        return " ".join((self.path / "id_ed25519.pub").read_text().split()[:2])

    def know(self, host: str, key: str) -> None:
        """From now on `host` has this key and no other."""
        path = self.path / "known_hosts"
        with held(open_lock(self.path / ".lock")):
            lines = path.read_text().splitlines() if path.exists() else []
            lines = [line for line in lines if line.split(" ")[0] != host][-_KNOWN:]
            write_whole(path, "\n".join([*lines, f"{host} {key}", ""]))


def _run(*command: str) -> None:
    try:
        subprocess.run(command, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)  # noqa: S603
    except FileNotFoundError:
        raise PlatformError(
            f"{command[0]} is not installed here", hint="install OpenSSH's client (openssh-client)"
        ) from None
    except subprocess.CalledProcessError as error:
        raise PlatformError(f"{command[0]} failed with exit code {error.returncode}") from None


def parse_host(text: str) -> tuple[str, int]:
    """ "hai-12.1" -> ("12", 1): what stands behind the last dot is a rank if it is a number and a
    task stands before it."""
    name = text.removeprefix(PREFIX)
    ref, dot, rank = name.rpartition(".")
    if dot and ref and rank.isascii() and rank.isdigit() and len(rank) < 7:
        return ref, int(rank)
    if not name:
        raise InvalidInput(f"{text!r} names no task", hint="ssh hai-12, or hai-12.1 for rank 1")
    return name, 0


class _Proxy(Pump):
    """ssh's bytes, on this process's input and output."""

    def __init__(
        self, session: Session, link: CommandChannel, loop: PollLoop, host: str, user: str
    ) -> None:
        folder = OpenSshFolder(session.environ)
        self.error: HaiError | None = None
        self._session = session
        self._link = link
        self._loop = loop
        self._folder = folder
        self._host = host
        key = folder.public_key()
        super().__init__(link.mux.open(self, kind="ssh", key=key, user=user))
        loop.parts.append(self)
        self._is_over = False

    def on_ready(self, info: dict[str, Any]) -> None:
        if info.get("note"):
            self._session.stderr.warn(printable(str(info["note"])))
        self._folder.know(self._host, str(info["host_key"]).replace("\n", " "))
        self.sources = [StreamSource(self.stream, 0)]
        self.sink = StreamSink(self.stream, unblocked(1), self._loop.stop)

    def on_close(self, message: dict[str, Any]) -> None:
        self._is_over = True
        if not message.get("done"):
            self.error = failed(message, self._link)

    def run_once(self) -> None:
        if self._is_over and (self.sink is None or not self.sink.wants):
            self._loop.stop()


def proxy(session: Session, host: str, user: str) -> int:
    """Be the connection of one `ssh`: its ProxyCommand."""
    ref, rank = parse_host(host)
    loop = PollLoop()
    link = CommandChannel(session, ref, rank, loop)
    one = _Proxy(session, link, loop, host.lower(), user)
    link.start()
    loop.run()
    link.close()
    if one.error is not None:
        raise one.error
    return 0


def command(session: Session, ref: str, rank: int, words: Sequence[str]) -> list[str]:
    """The `ssh` that goes there."""
    host = f"{PREFIX}{ref}.{rank}"
    config = write_entry(session)
    if shutil.which("ssh") is None:
        raise PlatformError("ssh is not installed here", hint="install openssh-client")
    return ["ssh", "-F", str(config), host, *words]


def run(words: Sequence[str]) -> int:
    """Its exit code. Ctrl-C is ssh's alone meanwhile."""
    before = signal.signal(signal.SIGINT, lambda _number, _frame: None)
    try:
        return subprocess.call(words)  # noqa: S603 - the user's own ssh
    finally:
        signal.signal(signal.SIGINT, before)


def write_entry(session: Session) -> Path:
    """Our configuration, as `--config` leaves it; its path."""
    folder = OpenSshFolder(session.environ)
    folder.public_key()
    path = folder.path / "config"
    text = entry(session, folder)
    if not path.exists() or path.read_text() != text:
        write_whole(path, text)
    return path


def entry(session: Session, folder: OpenSshFolder) -> str:
    user = session.client.call("whoami")["user"]
    return _ENTRY.format(
        prefix=PREFIX, user=_account_of(user), proxy=_own_command(session), folder=folder.path
    )


def _account_of(user: Mapping[str, Any]) -> str:
    """What the account is called where tasks run: as on this machine, if the uid is known here."""
    uid = os.getuid() if user.get("uid") is None else int(user["uid"])
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(user["name"])


def _own_command(session: Session) -> str:
    """This very hai-cli, also where ssh is started with other variables. No token is in it."""
    variables = {
        name: session.environ[name]
        for name in ("HAI_CONF", "PYTHONPATH")
        if session.environ.get(name)
    }
    if "HAI_CONF" in variables:
        variables["HAI_CONF"] = str(Path(variables["HAI_CONF"]).expanduser().absolute())
    words = [f"{name}={value}" for name, value in variables.items()]
    words = ["env", *words] if words else []
    words += [sys.executable, "-m", "hai.cli.main"]
    return " ".join(shlex.quote(word).replace("%", "%%") for word in words)


def include(config: Path) -> Path | None:
    """Make OpenSSH read our configuration first; the file that was changed, None if it did so."""
    path = Path.home() / ".ssh" / "config"
    line = f'Include "{config}"'
    try:
        path.parent.mkdir(mode=0o700, exist_ok=True)
        text = path.read_text() if path.exists() else ""
        if line in text.splitlines():
            return None
        write_whole(path.resolve(), f"{line}\n\n{text}" if text else f"{line}\n")
    except OSError as error:
        raise PlatformError(
            f"cannot write {path}: {error.strerror}", hint=f"put this at its top yourself: {line}"
        ) from None
    return path
