"""Channels by way of TLS, at both ends, as behind an ingress."""

import os
import shutil
import ssl
from contextlib import closing
from pathlib import Path

import pytest

from tests.acceptance.person import Person
from tests.acceptance.tasks import running
from tests.balancer import Balancer
from tests.live import Live
from tests.redis_server import Certificates

pytestmark = pytest.mark.acceptance


def test_both_ends_come_by_tls(public_dir: Path, postgres_url: str) -> None:
    if shutil.which("openssl") is None:
        pytest.skip("openssl is missing")
    folder = public_dir / "tls"
    folder.mkdir(mode=0o755)
    certificates = Certificates(folder).make()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.pem", folder / "server.key")
    ports: list[int] = []
    with closing(Balancer(lambda: ports, context)) as front:
        url = f"https://127.0.0.1:{front.port}"
        trust = {"SSL_CERT_FILE": str(certificates.authority)}
        site = public_dir / "site"
        site.mkdir(mode=0o755)
        settings = {**trust, "HAI_SERVER__URL": url}
        with closing(Live(site, postgres_url, settings=settings)) as live:
            ports.append(live.port)
            live.bootstrap()
            live.start()
            task = running(live, "secure.sh")
            blob = os.urandom(5_000_000)
            words = ("shell", str(task), "--url", url, "--", "cat; exit 3")
            done = Person(live)(*words, stdin=blob, SSL_CERT_FILE=trust["SSL_CERT_FILE"])
            assert (done.code, done.raw == blob) == (3, True), done.err
            refused = Person(live)(*words)
            assert refused.code == 7
            assert "certificate" in refused.err.lower()
