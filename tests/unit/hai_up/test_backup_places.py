"""Which platform a backup is of."""

from pathlib import Path

import pytest

from hai.errors import NotFound
from hai_up.backup.kubernetes import KubernetesPlace
from hai_up.choice import COMPOSE
from hai_up.last import LastPlatform, remember


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
