"""Credentials: kubeconfig files, exec plugins, token files, a pod's own account."""

import base64
import json
import subprocess
import tempfile
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from kubernetes.aio.config import incluster_config

from hai.errors import AuthRequired, Denied, HaiError, InvalidInput, Unavailable
from hai.kubernetes import access as access_module
from hai.kubernetes import client as client_module
from hai.kubernetes.access import load_access
from hai.kubernetes.client import KubernetesClient
from hai.kubernetes.paths import core
from hai.launcher.kubernetes.cluster import KubernetesCluster as View
from hai.launcher.kubernetes.cluster import KubernetesLocation
from tests.kubernetes.recorded import (
    RecordedApi,
    WatchScript,
    kubeconfig_of,
    listed,
    refused,
    serving,
)
from tests.kubernetes.testbed import Cluster
from tests.waiting import async_wait_until

SERVER = "http://127.0.0.1:1"
PATH = "/api/v1/pods"


def written(folder: Path, user: Mapping[str, Any], server: str = SERVER, **cluster: Any) -> Path:
    path = folder / "kubeconfig"
    path.write_text(kubeconfig_of(server, user, **cluster))
    return path


def plugin(folder: Path, token_file: Path, lifetime: timedelta | None = None) -> Mapping[str, Any]:
    """A user whose plugin prints the token that stands in a file, and counts its calls."""
    script = folder / "plugin"
    status = {"token": "TOKEN"}
    if lifetime is not None:
        status["expirationTimestamp"] = (datetime.now(UTC) + lifetime).isoformat()  # noqa: TID251
    credential = {
        "apiVersion": "client.authentication.k8s.io/v1",
        "kind": "ExecCredential",
        "status": status,
    }
    script.write_text(
        f"#!/bin/sh\necho call >>{folder}/calls\n"
        f"[ -s {token_file} ] || {{ echo not logged in >&2; exit 3; }}\n"
        f"echo '{json.dumps(credential)}' | sed \"s/TOKEN/$(cat {token_file})/\"\n"
    )
    script.chmod(0o755)
    return {
        "exec": {
            "apiVersion": "client.authentication.k8s.io/v1",
            "command": str(script),
            "interactiveMode": "Never",
        }
    }


@pytest.mark.parametrize(
    ("user", "authorization"),
    [
        ({"token": "abc"}, "Bearer abc"),
        ({"username": "u", "password": "p"}, "Basic dTpw"),
        ({}, ""),
    ],
)
async def test_users_of_a_kubeconfig(
    tmp_path: Path, user: Mapping[str, Any], authorization: str
) -> None:
    access = await load_access(written(tmp_path, user), None)
    assert access.authorization == authorization
    assert access.host == SERVER
    assert access.stale_at == float("inf")


async def test_a_token_file_is_read_again(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("first\n")
    path = written(tmp_path, {"tokenFile": "token"})
    access = await load_access(path, None)
    assert access.authorization == "Bearer first"
    assert 0 < access.stale_at - time.monotonic() <= access_module.TOKEN_FILE_SECONDS


async def test_a_plugin_is_run_and_again_before_its_token_ends(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("one")
    path = written(tmp_path, plugin(tmp_path, token, timedelta(minutes=15)))
    access = await load_access(path, None)
    assert access.authorization == "Bearer one"
    assert 500 < access.stale_at - time.monotonic() <= 600
    endless = await load_access(written(tmp_path, plugin(tmp_path, token)), None)
    assert endless.stale_at == float("inf")


async def test_a_plugin_that_fails_is_told_with_its_words(tmp_path: Path) -> None:
    path = written(tmp_path, plugin(tmp_path, tmp_path / "none"))
    with pytest.raises(AuthRequired, match="not logged in"):
        await load_access(path, None)


async def test_a_plugin_that_is_not_there_is_told(tmp_path: Path) -> None:
    user = {"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": "/none/x"}}
    with pytest.raises(AuthRequired, match="/none/x"):
        await load_access(written(tmp_path, user), None)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "x: [",
        "null",
        "clusters: 1",
        "\0",
        "current-context: x",
        "a: b: c",
        "apiVersion: v1\nkind: Config\ncontexts: [{name: x}]\ncurrent-context: x\n",
    ],
)
async def test_a_file_that_is_no_kubeconfig_is_told(tmp_path: Path, text: str) -> None:
    path = tmp_path / "kubeconfig"
    path.write_text(text)
    with pytest.raises(InvalidInput, match=r"cannot use .*kubeconfig for access"):
        await load_access(path, None)


async def test_missing_files_and_contexts_are_told(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="there is no such file"):
        await load_access(tmp_path / "none", None)
    with pytest.raises(InvalidInput, match="other"):
        await load_access(written(tmp_path, {"token": "abc"}), "other")
    with pytest.raises(InvalidInput):
        await load_access(
            written(tmp_path, {"client-certificate": "none", "client-key": "none"}, "https://h"),
            None,
        )


async def test_without_a_file_the_environment_and_then_the_pod_decide(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBECONFIG", str(written(tmp_path, {"token": "abc"})))
    assert (await load_access(None, None)).authorization == "Bearer abc"
    monkeypatch.delenv("KUBECONFIG")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    with pytest.raises(InvalidInput, match="service account of this pod"):
        await load_access(None, None)


async def test_the_given_server_wins_over_the_kubeconfigs(tmp_path: Path) -> None:
    path = written(tmp_path, {"token": "abc"}, "https://127.0.0.1:1", **{"tls-server-name": "old"})
    assert (await load_access(path, None)).server_name == "old"
    access = await load_access(path, None, api_server="https://10.0.0.1:6443/")
    assert (access.host, access.server_name) == ("https://10.0.0.1:6443", None)
    assert access.authorization == "Bearer abc"


async def test_the_given_server_is_asked_also_after_the_credentials_were_renewed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_module, "RENEW_SECONDS", 0.0)
    api = RecordedApi([refused(401), listed(1)], [WatchScript()])
    (tmp_path / "api").mkdir()
    token = tmp_path / "token"
    token.write_text("old")
    user = {"tokenFile": str(token)}
    path = written(tmp_path, user, SERVER)  # where nobody listens
    async with serving(api, tmp_path / "api"):
        url = f"http://127.0.0.1:{api.port}"
        async with await KubernetesClient.open(path, api_server=url) as client:
            token.write_text("new")
            assert await client.get(PATH)
            assert client.host == url


async def test_in_a_cluster_no_kubeconfig_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither the one of the environment, nor the usual one, nor a given one."""
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".kube").mkdir()
    (tmp_path / ".kube" / "config").write_text(kubeconfig_of(SERVER, {"token": "usual"}))
    path = written(tmp_path, {"token": "named"})
    monkeypatch.setenv("KUBECONFIG", str(path))
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    with pytest.raises(InvalidInput, match="service account of this pod"):
        await load_access(path, None, in_cluster=True)
    (tmp_path / "token").write_text("pods\n")
    (tmp_path / "ca.crt").write_text(self_signed_text(tmp_path))
    monkeypatch.setattr(incluster_config, "SERVICE_TOKEN_FILENAME", str(tmp_path / "token"))
    monkeypatch.setattr(incluster_config, "SERVICE_CERT_FILENAME", str(tmp_path / "ca.crt"))
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.96.0.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "443")
    access = await load_access(None, None, in_cluster=True)
    assert access.host == "https://10.96.0.1:443"
    assert "pods" in access.authorization
    other = await load_access(None, None, in_cluster=True, api_server="https://api.example:6443")
    assert other.host == "https://api.example:6443"
    view = View(
        KubernetesLocation(path, None, "hai", in_cluster=True, api_server="https://api.example:1")
    )
    await view.open()
    try:
        assert view.client.host == "https://api.example:1"
    finally:
        await view.close()


async def test_a_renewed_token_is_used_after_401(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once: a server that goes on to refuse is not asked a third time."""
    monkeypatch.setattr(client_module, "RENEW_SECONDS", 0.0)
    token = tmp_path / "token"
    token.write_text("old")
    api = RecordedApi([refused(401), listed(1), refused(401)], [WatchScript()])
    async with serving(api, tmp_path):
        path = written(tmp_path, plugin(tmp_path, token), f"http://127.0.0.1:{api.port}")
        async with await KubernetesClient.open(path) as client:
            token.write_text("new")
            await client.get(PATH)
            assert api.authorization == ["Bearer old", "Bearer new"]
            token.write_text("newest")
            with pytest.raises(AuthRequired):
                await client.get(PATH)
            assert api.authorization[2:] == ["Bearer new", "Bearer newest"]
            token.write_text("")  # the plugin fails from now on: what is known is kept
            with pytest.raises(AuthRequired):
                await client.get(PATH)
            assert api.authorization[4:] == ["Bearer newest"]


async def test_wrong_credentials_do_not_run_the_plugin_for_each_request(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("old")
    api = RecordedApi([refused(401)], [WatchScript()])
    async with serving(api, tmp_path):
        path = written(tmp_path, plugin(tmp_path, token), f"http://127.0.0.1:{api.port}")
        async with await KubernetesClient.open(path) as client:
            for _ in range(20):
                with pytest.raises(AuthRequired):
                    await client.get(PATH)
    assert len((tmp_path / "calls").read_text().splitlines()) <= 2


async def test_the_token_follows_no_redirect(tmp_path: Path) -> None:
    other = RecordedApi([listed(1)], [WatchScript()])
    (tmp_path / "other").mkdir()
    async with serving(other, tmp_path / "other"):
        moved = refused(307)
        moved.headers["Location"] = f"http://127.0.0.1:{other.port}/"
        api = RecordedApi([moved], [WatchScript()])
        async with (
            serving(api, tmp_path) as path,
            await KubernetesClient.open(path) as client,
        ):
            with pytest.raises(HaiError, match="cannot get pods: recorded 307"):
                await client.get(PATH)
    assert other.asked == []


async def test_keys_of_a_kubeconfig_are_left_in_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The package writes them into the folder for temporary files."""
    certificate, key = self_signed(tmp_path)
    user = {"client-certificate-data": certificate, "client-key-data": key}
    path = written(tmp_path, user, "https://127.0.0.1:1")
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    access = await load_access(path, None)
    assert access.ssl_context is not None
    assert list(temporary.iterdir()) == []


def self_signed(folder: Path) -> tuple[str, str]:
    """Certificate and key, as a kubeconfig has them."""
    subprocess.run(
        [
            "openssl",
            "req",
            "-x509",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-days",
            "1",
            "-subj",
            "/CN=u",
            "-keyout",
            folder / "k.pem",
            "-out",
            folder / "c.pem",
        ],
        check=True,
        capture_output=True,
    )
    certificate, key = (folder / "c.pem").read_bytes(), (folder / "k.pem").read_bytes()
    return base64.b64encode(certificate).decode(), base64.b64encode(key).decode()


async def test_connections_outlive_a_reading_that_changes_nothing(tmp_path: Path) -> None:
    certificate, key = self_signed(tmp_path)
    user = {"client-certificate-data": certificate, "client-key-data": key}
    path = written(tmp_path, user, "https://127.0.0.1:1")
    first = await load_access(path, None)
    assert (await load_access(path, None, first)).ssl_context is first.ssl_context
    certificate, key = self_signed(tmp_path)
    path = written(
        tmp_path,
        {"client-certificate-data": certificate, "client-key-data": key},
        "https://127.0.0.1:1",
    )
    assert (await load_access(path, None, first)).ssl_context is not first.ssl_context


@pytest.mark.parametrize(
    ("server", "no_proxy", "proxy"),
    [
        ("https://h.example", "", "http://proxy:1"),
        ("https://h.example", "h.example", None),
        ("https://10.1.2.3:6443", "10.0.0.0/8", None),
        ("https://11.1.2.3:6443", "10.0.0.0/8,,x/y", "http://proxy:1"),
        ("https://127.0.0.1:6443", "", None),
        ("https://[fd00::1]:6443", "fd00::/8", None),
    ],
)
async def test_the_proxy_of_the_environment_is_used_as_kubectl_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, server: str, no_proxy: str, proxy: str | None
) -> None:
    for name in ("http_proxy", "all_proxy", "HTTPS_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("https_proxy", "http://proxy:1")
    monkeypatch.setenv("no_proxy", no_proxy)
    assert (await load_access(written(tmp_path, {"token": "t"}, server), None)).proxy == proxy
    path = written(tmp_path, {"token": "t"}, server, **{"proxy-url": "http://own:1"})
    assert (await load_access(path, None)).proxy == "http://own:1"


async def test_a_pod_finds_its_server_and_checks_its_certificate(
    cluster: Cluster, client: KubernetesClient, namespace: str, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """With the token and certificate that a pod of the namespace would have."""
    account = core("serviceaccounts", namespace, "default", "token")
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
    await async_wait_until(
        lambda: client.get_or_none(core("serviceaccounts", namespace, "default"))
    )
    token = (await client.create(account, body))["status"]["token"]
    root = core("configmaps", namespace, "kube-root-ca.crt")
    await async_wait_until(lambda: client.get_or_none(root))
    (tmp_path / "token").write_text(token + "\n")
    (tmp_path / "ca.crt").write_text((await client.get(root))["data"]["ca.crt"])
    place = urlsplit(client.host)
    monkeypatch.setattr(incluster_config, "SERVICE_TOKEN_FILENAME", str(tmp_path / "token"))
    monkeypatch.setattr(incluster_config, "SERVICE_CERT_FILENAME", str(tmp_path / "ca.crt"))
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", place.hostname or "")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", str(place.port or 443))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("KUBECONFIG", raising=False)
    async with await KubernetesClient.open() as pod:
        assert (await pod.get("/version"))["major"]
        with pytest.raises(Denied, match="list secrets"):  # known, and without rights
            await pod.list(core("secrets", namespace))
    (tmp_path / "ca.crt").write_text(self_signed_text(tmp_path))
    async with await KubernetesClient.open() as pod:
        with pytest.raises(Unavailable, match="certificate"):
            await pod.get("/version")


def self_signed_text(folder: Path) -> str:
    return base64.b64decode(self_signed(folder)[0]).decode()
