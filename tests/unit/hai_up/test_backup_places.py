"""Which platform a backup is of."""

import json
from pathlib import Path

import pytest

from hai.errors import InvalidInput, NotFound
from hai_up.backup.compose import ComposePlace
from hai_up.backup.kubernetes import KubernetesPlace
from hai_up.choice import COMPOSE, K8S
from hai_up.cluster.secrets import made
from hai_up.last import LastPlatform, remember
from hai_up.maintenance import upgrade
from hai_up.providers.compose.state import ComposeState, save


def test_the_last_platform_with_docker_is_none_on_a_cluster(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No cluster is asked for it: not that which kubectl would find either."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("KUBECONFIG", raising=False)
    remember(LastPlatform(COMPOSE, folder=str(tmp_path)))
    place = KubernetesPlace({}, lambda _: None)
    try:
        with pytest.raises(NotFound, match="no platform of the provider k8s"):
            place.open_database()
    finally:
        place.close()


def test_the_last_platform_on_a_cluster_is_none_with_docker(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No engine is asked for it."""
    monkeypatch.setenv("HOME", str(tmp_path))
    remember(LastPlatform(K8S, namespace="hai-platform"))
    with pytest.raises(NotFound, match="no platform of the provider docker-compose"):
        ComposePlace({}, lambda _: None)


def test_what_a_backup_of_a_platform_with_docker_holds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its configuration and its secrets, each in its place."""
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("DOCKER_HOST", "HAI_DATABASE_URL", "HAI_BUS_URL"):
        monkeypatch.delenv(name, raising=False)
    folder = tmp_path / "hai-platform" / "compose"
    folder.mkdir(parents=True)
    (folder / "override.toml").write_text("[logs]\n")
    values = {"SHARED_FS_ROOT": str(tmp_path), "BASE_IMAGE": "hai:1", "USER_INFO": "ada:1000"}
    known = made()
    save(folder, ComposeState("1", known, values))
    remember(LastPlatform(COMPOSE, folder=str(folder)))
    place = ComposePlace({}, lambda _: None)
    contents = place.contents()
    assert contents.provider == COMPOSE
    assert contents.place == f"hai-platform in {tmp_path / 'hai-platform'}"
    assert json.loads(contents.config["config.json"]) == values
    assert contents.config["override.toml"] == "[logs]\n"
    assert contents.secrets == {
        "postgres-password": known.postgres_password,
        "redis-password": known.redis_password,
        "signing-key": known.signing_key,
        "admin-token": known.admin_token,
    }
    assert place.first_users() == ["ada", "hai-up"]


def test_an_upgrade_with_docker_needs_to_know_the_image() -> None:
    with pytest.raises(InvalidInput, match="docker-compose needs a configuration file"):
        upgrade(provider="docker-compose", config=None, data_dir=None)
