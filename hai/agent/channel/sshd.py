"""OpenSSH's server for one connection, run by the user and without any right of its own.

It is the image's. It takes one key, which the client names; its own key is made once per worker and
told to the client, so that nobody has to believe it.
"""

from __future__ import annotations

import contextlib
import grp
import os
import pwd
import re
import shutil
import subprocess

from hai.agent.channel import tcp
from hai.agent.files import write_private

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from hai.agent.channel.local_process import ProgramContext
    from hai.agent.channel.loop import PollLoop
    from hai.agent.channel.mux import Stream

_FOLDERS = "/usr/sbin:/usr/local/sbin:/sbin:/usr/bin:/usr/local/bin:/bin"
_KEYGEN_SECONDS = 20
_KEY = re.compile(r"(ssh-ed25519|ecdsa-sha2-nistp\d+|ssh-rsa|sk-[a-z0-9@.-]+) [A-Za-z0-9+/=]+")
_NO_SERVER = (
    "this image has no OpenSSH server: install openssh-server in it, or use `hai-cli shell`, "
    "`hai-cli cp` and `hai-cli port-forward`, which need nothing"
)
_CONFIG = """\
HostKey {folder}/host_key
AuthorizedKeysFile {folder}/{keys}
PidFile none
StrictModes no
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
PubkeyAuthentication yes
PermitRootLogin prohibit-password
PermitUserEnvironment no
AllowTcpForwarding yes
X11Forwarding no
PrintMotd no
PrintLastLog no
UseDNS no
MaxAuthTries 3
LoginGraceTime 30
ClientAliveInterval 10
ClientAliveCountMax 3
AcceptEnv LANG LC_*
Subsystem sftp internal-sftp
LogLevel ERROR
"""


def begin(stream: Stream, info: dict[str, Any], loop: PollLoop, place: ProgramContext) -> None:
    """`key`: the client's public key; `user`: whom the client will name, "" if it asks."""
    server = shutil.which("sshd", path=_FOLDERS)
    keygen = shutil.which("ssh-keygen", path=_FOLDERS)
    if server is None or keygen is None:
        raise ValueError(_NO_SERVER)
    key = _KEY.match(str(info.get("key")))
    if key is None:
        raise ValueError("this is no public key of OpenSSH")
    user = _account(str(info.get("user") or ""), place)
    folder = os.path.join(place.control_dir, "ssh")
    os.makedirs(folder, 0o700, exist_ok=True)
    host_key = _host_key(folder, keygen)
    config = _configured(folder, key.group(), place)
    if place.uid == 0:
        os.makedirs("/run/sshd", 0o755, exist_ok=True)  # where a server of root locks itself in
    _, theirs = tcp.pair(stream, loop)
    try:
        pid = subprocess.Popen(  # noqa: S603 - the image's own
            [server, "-i", "-e", "-f", config],
            stdin=theirs,
            stdout=theirs,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            env=place.environment,
        ).pid
    finally:
        os.close(theirs)

    def ended(_code: int) -> None:
        for name in (config, config.replace("config.", "keys.")):
            with contextlib.suppress(OSError):
                os.unlink(name)

    place.children.watch(pid, ended)
    stream.ready(host_key=host_key, user=user, note=terminal_trouble(place.uid, *_groups()))


def _account(asked: str, place: ProgramContext) -> str:
    """The name to log in with."""
    try:
        own = pwd.getpwuid(place.uid).pw_name
    except KeyError:
        raise ValueError(
            f"uid {place.uid} has no name there, and ssh needs one: add it to /etc/passwd of the "
            "image, or use `hai-cli shell`"
        ) from None
    if not asked:
        return own
    try:
        uid = pwd.getpwnam(asked).pw_uid
    except KeyError:
        uid = -1
    if uid != place.uid:
        raise ValueError(f"tasks of yours run as {own} there, not as {asked}: ssh -l {own}")
    return asked


def terminal_trouble(uid: int, own_group: int, wanted_group: int) -> str:
    """Why OpenSSH will make no terminal there, "" if it will: it insists on the group "tty", which
    only root could give to a terminal that has another one."""
    if uid == 0 or own_group == wanted_group:
        return ""
    return (
        "ssh can make no terminal on this node, whose /dev/pts is mounted without "
        f"gid={wanted_group}; commands, scp and rsync work, and so does `hai-cli shell`"
    )


def _groups() -> tuple[int, int]:
    """The group that a new terminal has here, and the one that OpenSSH wants."""
    master, slave = os.openpty()
    try:
        own = os.fstat(slave).st_gid
    finally:
        os.close(master)
        os.close(slave)
    try:
        return own, grp.getgrnam("tty").gr_gid
    except KeyError:
        return own, own


def _host_key(folder: str, keygen: str) -> str:
    """The public one; made at the first connection."""
    path = os.path.join(folder, "host_key")
    if not os.path.exists(path):
        own = os.path.join(folder, f"new.{os.getpid()}")
        subprocess.run(  # noqa: S603
            [keygen, "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", own],
            check=True,
            timeout=_KEYGEN_SECONDS,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )
        with contextlib.suppress(FileExistsError):  # two connections may begin at once
            os.link(own, path)
        os.unlink(own)
        os.unlink(own + ".pub")
    done = subprocess.run(  # noqa: S603 - of the one that is in force
        [keygen, "-y", "-f", path],
        check=True,
        timeout=_KEYGEN_SECONDS,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
    )
    return " ".join(done.stdout.decode().split()[:2])


def _configured(folder: str, key: str, place: ProgramContext) -> str:
    """The path of this connection's configuration."""
    keys = f"keys.{os.getpid()}"
    write_private(os.path.join(folder, keys), key + "\n")
    variables = " ".join(
        _quoted(f"{name}={value}")
        for name, value in sorted(place.environment.items())
        if re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name) and value.isprintable()
    )
    path = os.path.join(folder, f"config.{os.getpid()}")
    write_private(path, _CONFIG.format(folder=folder, keys=keys) + "SetEnv " + variables + "\n")
    return path


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
