"""Where the API server is, and how to prove to it who we are.

The official package reads kubeconfig files, runs exec plugins and finds the service account inside
a pod; what it reads is loaded anew before it gets old, since it does not do that by itself.
"""

import hashlib
import ipaddress
import logging
import os
import ssl
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml
from kubernetes.aio.client import Configuration
from kubernetes.aio.client.rest import RESTClientObject
from kubernetes.aio.config import kube_config, load_incluster_config, load_kube_config
from kubernetes.aio.config.config_exception import ConfigException

from hai.errors import AuthRequired, InvalidInput

TOKEN_FILE_SECONDS = 60.0  # a kubelet replaces a pod's token long before the old one ends
EXPIRY_MARGIN_SECONDS = 300.0  # of what an exec plugin gave; the package renews within it
_AT_LEAST_SECONDS = 10.0  # from one load to the next

_UNREADABLE = (
    ConfigException,
    yaml.YAMLError,
    OSError,
    ValueError,
    TypeError,
    AttributeError,
    KeyError,
)


@dataclass(frozen=True, slots=True)
class Access:
    """One reading of the configuration."""

    host: str  # with scheme, without a slash at the end
    authorization: str  # the header's value; empty: a client certificate or nothing
    ssl_context: ssl.SSLContext | None  # None: plain HTTP
    server_name: str | None  # expected in the server's certificate, if not the host
    proxy: str | None
    material: bytes  # digest of all that went into ssl_context
    stale_at: float  # monotonic: load again from then on


async def load_access(
    kubeconfig: Path | None,
    context: str | None,
    known: Access | None = None,
    *,
    in_cluster: bool = False,
    api_server: str = "",
) -> Access:
    """Read the configuration: the file, or $KUBECONFIG, ~/.kube/config, or a pod's own account.

    in_cluster: the pod's account, whatever files there are. api_server: URL that wins over the
    server that the configuration names. known: an earlier reading; its TLS context, and so its open
    connections, are kept if nothing of it changed. Raises InvalidInput (unreadable, no such
    context) and AuthRequired (exec plugin).
    """
    place = "" if in_cluster else str(kubeconfig) if kubeconfig else _default_kubeconfig()
    configuration = Configuration()
    try:
        if place:
            stale_at = await _load_file(place, context, configuration)
        else:
            load_incluster_config(configuration, try_refresh_token=False)
            stale_at = time.monotonic() + TOKEN_FILE_SECONDS
        if api_server:
            configuration.host = api_server
            configuration.tls_server_name = None  # the name of the other one; so does kubectl
        authorization = (configuration.api_key.get("BearerToken") or "").strip()
        ssl_context, material = _tls_of(configuration, known)
    except _UNREADABLE as error:
        source = place or "the service account of this pod"
        raise InvalidInput(
            f"cannot use {source} for access to Kubernetes: {error}",
            hint="check it with: kubectl config view --minify",
        ) from error
    finally:
        # The package writes keys that stand in the kubeconfig into files of their own until the
        # process ends; they are read by now.
        kube_config._cleanup_temp_files()
    return Access(
        host=configuration.host.rstrip("/"),
        authorization=authorization,
        ssl_context=ssl_context,
        server_name=configuration.tls_server_name,
        proxy=configuration.proxy or (_proxy_of(configuration.host) if place else None),
        material=material,
        stale_at=stale_at,
    )


def _default_kubeconfig() -> str:
    """Empty: there is none."""
    if os.environ.get("KUBECONFIG"):
        return os.environ["KUBECONFIG"]
    usual = Path.home() / ".kube" / "config"
    return str(usual) if usual.exists() else ""


async def _load_file(place: str, context: str | None, configuration: Configuration) -> float:
    """Fill the configuration; when to do so again."""
    if not any(_exists(part) for part in place.split(os.pathsep)):
        raise ConfigException("there is no such file")
    with _complaints() as complaints:
        loader: Any = await load_kube_config(
            place, context, client_configuration=configuration, persist_config=False
        )
    user = getattr(loader._user, "value", None) or {}
    if "exec" in user:
        if not configuration.api_key and not configuration.cert_file:
            raise AuthRequired(
                f"the plugin that {place} names gave no credentials: {'; '.join(complaints)}",
                hint="try it by hand: kubectl get --raw /version",
            )
        return _expiry(getattr(loader, "exec_plugin_expiry", None))
    if "auth-provider" in user or ("tokenFile" in user and "token" not in user):
        return time.monotonic() + TOKEN_FILE_SECONDS
    return float("inf")


def _exists(path: str) -> bool:
    return Path(path).expanduser().exists()


def _expiry(expires: datetime | None) -> float:
    if expires is None:
        return float("inf")
    seconds = expires.timestamp() - datetime.now(UTC).timestamp()  # noqa: TID251 (the plugin's clock)
    return time.monotonic() + max(seconds - EXPIRY_MARGIN_SECONDS, _AT_LEAST_SECONDS)


@contextmanager
def _complaints() -> Iterator[list[str]]:
    """What the package logs meanwhile: it tells nobody else why a plugin failed."""
    told: list[str] = []

    class _Listener(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            told.append(record.getMessage())

    listener = _Listener(logging.ERROR)
    logger = logging.getLogger(kube_config.__name__)
    logger.addHandler(listener)
    try:
        yield told
    finally:
        logger.removeHandler(listener)


def _tls_of(
    configuration: Configuration, known: Access | None
) -> tuple[ssl.SSLContext | None, bytes]:
    if not configuration.host.startswith("https"):
        return None, b""
    digest = hashlib.sha256(str(configuration.verify_ssl).encode())
    for file in (configuration.ssl_ca_cert, configuration.cert_file, configuration.key_file):
        digest.update(b"\0" + (Path(file).read_bytes() if file else b""))
    material = digest.digest()
    if known is not None and known.material == material:
        return known.ssl_context, material
    # kubectl takes certificates that Python >= 3.13 finds too loose; so does this.
    configuration.disable_strict_ssl_verification = True
    context: ssl.SSLContext = RESTClientObject(configuration).ssl_context
    return context, material


def _proxy_of(host: str) -> str | None:
    """The environment's proxy, as kubectl finds it."""
    parts = urlsplit(host)
    name = parts.hostname or ""
    proxy = urllib.request.getproxies().get(parts.scheme)
    if not proxy or urllib.request.proxy_bypass(parts.netloc) or _is_in_no_proxy(name):
        return None
    return proxy


def _is_in_no_proxy(host: str) -> bool:
    """Networks such as 10.0.0.0/8, which the standard library does not know."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    for entry in urllib.request.getproxies().get("no", "").split(","):
        try:
            if address in ipaddress.ip_network(entry.strip(), strict=False):
                return True
        except ValueError:
            continue
    return address.is_loopback
