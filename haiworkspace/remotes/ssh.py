"""Connects by SSH as the user's own ssh would: ~/.ssh/config, known hosts, agent and keys.

A host that is not known is refused; nothing is asked but by the user's ssh, and no password is
taken. paramiko is loaded here only: docs/decisions/0029.
"""

import getpass
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hai.errors import Denied, InvalidInput, NotFound, Unreachable

if TYPE_CHECKING:
    from paramiko import SSHClient

CONNECT_SECONDS = 20
_KEEPALIVE_SECONDS = 15
_CLOSED = "Socket is closed"  # what paramiko says by a plain OSError without a number
_ADDRESS = re.compile(
    r"ssh://(?:(?P<user>[A-Za-z0-9_.-]+)@)?(?P<host>[A-Za-z0-9_.-]+|\[[0-9a-fA-F:]+\])"
    r"(?::(?P<port>\d{1,5}))?/?"
)


@dataclass(frozen=True, slots=True)
class Address:
    """Where `ssh://[user@]host[:port]` leads; user and port are None where it does not say."""

    host: str
    user: str | None
    port: int | None


def parse_address(via: str) -> Address:
    """Raises InvalidInput."""
    found = _ADDRESS.fullmatch(via)
    if not found or (found["port"] and not 0 < int(found["port"]) < 65536):
        raise InvalidInput(
            f"{via[:80]!r} is no address", hint="as in: --via ssh://user@login.example.org:22"
        )
    port = int(found["port"]) if found["port"] else None
    return Address(found["host"].strip("[]"), found["user"], port)


def connect(via: str) -> "SSHClient":
    """An open connection. Raises Unreachable; Denied for an unknown host or a wrong key."""
    address = parse_address(via)
    paramiko = _library()
    words = _words(paramiko, address)
    client = paramiko.SSHClient()
    client.load_system_host_keys()
    for path in words.pop("known_hosts"):
        client.load_host_keys(str(path))
    client.set_missing_host_key_policy(paramiko.RejectPolicy())
    try:
        client.connect(**words)
    except paramiko.BadHostKeyException as error:
        client.close()
        raise Denied(
            f"{address.host} has another host key than the known one: {error}",
            hint="ask its administrator whether it was changed; nothing was sent",
        ) from error
    except paramiko.AuthenticationException as error:
        client.close()
        raise Denied(
            f"{via} takes none of your keys", hint=f"`ssh {address.host}` must work without asking"
        ) from error
    except (paramiko.SSHException, OSError) as error:
        client.close()
        if "not found in known_hosts" in str(error):
            raise Denied(
                f"{address.host} is no known host", hint=f"ssh {address.host} once, and compare"
            ) from error
        raise Unreachable(
            f"cannot reach {via}: {error}", hint=f"`ssh {address.host}` must work"
        ) from error
    client.get_transport().set_keepalive(_KEEPALIVE_SECONDS)
    connected: SSHClient = client
    return connected


@contextmanager
def watched(via: str) -> Iterator[None]:
    """A connection that ends meanwhile is told as such. Raises Unreachable."""
    paramiko = _library()
    try:
        yield
    except (paramiko.SSHException, EOFError, OSError) as error:
        is_of_files = isinstance(error, OSError) and not isinstance(error, ConnectionError)
        if is_of_files and str(error) != _CLOSED:
            raise
        raise Unreachable(
            f"the connection to {via} was lost: {error or 'no reason given'}",
            hint="the same command again sends what is missing; no file is half there",
        ) from error


def _words(paramiko: Any, address: Address) -> dict[str, Any]:
    """The arguments of connect, and `known_hosts`, from the address and ~/.ssh/config."""
    config = paramiko.SSHConfig()
    path = Path.home() / ".ssh" / "config"
    if path.is_file():
        config = paramiko.SSHConfig.from_path(str(path))
    known = config.lookup(address.host)
    words: dict[str, Any] = {
        "hostname": known.get("hostname", address.host),
        "port": address.port or int(known.get("port", 22)),
        "username": address.user or known.get("user") or getpass.getuser(),
        "timeout": CONNECT_SECONDS,
        "banner_timeout": CONNECT_SECONDS,
        "auth_timeout": CONNECT_SECONDS,
        "allow_agent": known.get("identitiesonly", "no") != "yes",
    }
    files = [Path(one).expanduser() for one in known.get("identityfile", [])]
    if existing := [str(one) for one in files if one.is_file()]:
        words["key_filename"] = existing
    if "proxycommand" in known:
        words["sock"] = paramiko.ProxyCommand(known["proxycommand"])
    hosts = [Path(one).expanduser() for one in known.get("userknownhostsfile", "").split()]
    words["known_hosts"] = [one for one in hosts if one.is_file()]
    return words


def _library() -> Any:
    try:
        import paramiko
    except ImportError as error:
        raise NotFound(
            "a workspace behind ssh needs paramiko, and it is not installed",
            hint="pip install 'hai-platform[sftp]'",
        ) from error
    return paramiko
