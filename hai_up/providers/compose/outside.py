"""Do a database and a bus answer that somebody else runs? Asked as the containers would."""

import socket
from urllib.parse import urlsplit

from hai_up.checks import FAIL, OK, Check
from hai_up.compose.options import ComposeOptions, ExternalService
from hai_up.config import masked
from hai_up.plan import is_loopback

_SECONDS = 3
_REDIS_PORT = 6379


def database_check(options: ComposeOptions) -> Check | None:
    """None where the platform has its own."""
    given = options.database
    if given is None:
        return None
    return _own_name("database", "HAI_DATABASE_URL", given) or _database(given)


def bus_check(options: ComposeOptions) -> Check | None:
    """None where the platform has its own."""
    given = options.bus
    if given is None:
        return None
    return _own_name("bus", "HAI_BUS_URL", given) or _bus(given)


def _own_name(check: str, variable: str, service: ExternalService) -> Check | None:
    """In a container, localhost is the container."""
    host = urlsplit(service.url).hostname or ""
    if not is_loopback(host):
        return None
    text = f"{variable}: in a container, {host} is the container itself"
    return Check(check, FAIL, text, "the address of this machine, and let it listen there")


def _database(service: ExternalService) -> Check:
    import psycopg

    try:
        with psycopg.connect(
            service.url, password=service.password or None, connect_timeout=_SECONDS
        ) as connection:
            version = connection.info.server_version // 10000
    except psycopg.Error as error:
        why = " ".join(str(error).split())
        text = f"the database at {masked(service.url)} refuses: {why}"
        return Check("database", FAIL, text, "correct HAI_DATABASE_URL, or leave it out")
    return Check("database", OK, f"PostgreSQL {version} at {masked(service.url)}")


def _bus(service: ExternalService) -> Check:
    """That something listens: what it asks for, the server finds out."""
    parts = urlsplit(service.url)
    address = (parts.hostname or "", parts.port or _REDIS_PORT)
    try:
        with socket.create_connection(address, timeout=_SECONDS):
            return Check("bus", OK, f"something listens at {address[0]}:{address[1]}")
    except OSError as error:
        text = f"nothing answers at {address[0]}:{address[1]}: {error.strerror or error}"
        return Check("bus", FAIL, text, "correct HAI_BUS_URL, or leave it out")
