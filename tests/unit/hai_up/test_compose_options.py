"""Variables of config.sh with Docker: their meaning, defaults, and what is refused."""

import base64
from pathlib import Path

import pytest
import yaml

from hai.errors import InvalidInput
from hai_up.choice import COMPOSE, K8S, LOCAL, deployment_warnings, provider_named, provider_of
from hai_up.compose.kubeconfig import flattened
from hai_up.compose.options import ComposeOptions, ExternalService, compose_options
from hai_up.config import parse_config
from hai_up.providers.compose.engine import Compose, number_of
from hai_up.providers.compose.look import config_template
from hai_up.variables import without_secrets

NEEDED = {"BASE_IMAGE": "hai:1"}
CLUSTER = {
    "HAI_TASKS": "k8s",
    "KUBECONFIG": "/k",
    "TRAINING_NODES": "a b",
    "HAI_SERVER_ADDR": "10.0.0.5",
}


def options(**values: str) -> ComposeOptions:
    return compose_options({**NEEDED, **values})


def test_defaults() -> None:
    known = options()
    assert (known.project, known.port, known.studio_port) == ("hai-platform", 80, 8080)
    assert known.platform_path == "/nfs-shared/hai-platform"
    assert known.db_path == "/nfs-shared/hai-platform/db"
    assert known.train_image == known.base_image == "hai:1"
    assert (known.nodes, known.node_gpus, known.task_network) == (1, None, "own")
    assert known.socket == "/var/run/docker.sock"
    assert known.sizes == {"training": 1}
    assert (known.database, known.bus, known.cluster) == (None, None, None)
    assert not known.exposes_databases


def test_the_printed_configuration_is_one() -> None:
    values = parse_config(config_template(lambda _: None), {"HOME": "/root"})
    known = compose_options({**values, "BASE_IMAGE": "hai:1", "TRAIN_IMAGE": ""})
    assert known == compose_options(
        {**NEEDED, **{k: values[k] for k in ("USER_INFO", "ROOT_USER")}}
    )
    assert deployment_warnings(COMPOSE, values) == []


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"BASE_IMAGE": ""}, "BASE_IMAGE"),
        ({"HAI_PORT": "99999"}, "HAI_PORT"),
        ({"HAI_PORT": "8080"}, "both 8080"),
        ({"HAI_HOST": "a b"}, "HAI_HOST"),
        ({"NODES": "0"}, "NODES"),
        ({"API_REPLICAS": "2"}, "API_REPLICAS"),
        ({"TASK_NETWORK": "bridge"}, "TASK_NETWORK"),
        ({"HAI_TASKS": "slurm"}, "HAI_TASKS"),
        ({"SHARED_FS_ROOT": "nfs"}, "SHARED_FS_ROOT"),
        ({"SHARED_FS_ROOT": "/nfs/../etc"}, "SHARED_FS_ROOT"),
        ({"DOCKER_HOST": "tcp://10.0.0.9:2375"}, "no socket of this machine"),
        ({"HAI_DATABASE_URL": "mysql://a@b/c"}, "HAI_DATABASE_URL"),
        ({"HAI_BUS_URL": "redis://"}, "HAI_BUS_URL"),
        ({"ROOT_USER": "eve", "USER_INFO": "ada:1001"}, "ROOT_USER eve"),
        ({**CLUSTER, "KUBECONFIG": ""}, "needs KUBECONFIG"),
        ({**CLUSTER, "TRAINING_NODES": ""}, "needs TRAINING_NODES"),
        ({**CLUSTER, "HAI_SERVER_ADDR": ""}, "needs HAI_SERVER_ADDR"),
    ],
)
def test_what_is_wrong_is_named(values: dict[str, str], said: str) -> None:
    with pytest.raises(InvalidInput, match=said) as raised:
        options(**values)
    assert raised.value.hint


def test_a_bad_url_is_not_repeated() -> None:
    with pytest.raises(InvalidInput) as raised:
        options(HAI_DATABASE_URL="postgres//me:planted@db")
    assert "planted" not in f"{raised.value.message}{raised.value.hint}"


def test_passwords_leave_urls() -> None:
    known = options(HAI_BUS_URL="redis://:pl%40nted@bus:6379/2")
    assert known.bus == ExternalService("redis://bus:6379/2", "pl@nted")
    assert "pl@nted" not in repr(known)
    kept = without_secrets(
        {
            "HAI_BUS_URL": "redis://u:planted@bus/2",
            "USER_INFO": "ada:1001:planted,bob:1002",
            "REDIS_PASSWORD": "planted",
            "NODES": "2",
        }
    )
    assert kept == {
        "HAI_BUS_URL": "redis://u@bus/2",
        "USER_INFO": "ada:1001,bob:1002",
        "NODES": "2",
    }


def test_names_of_the_provider() -> None:
    assert {provider_named(name) for name in ("docker-compose", "compose", "docker")} == {COMPOSE}


def test_what_the_file_describes() -> None:
    assert provider_of(None, {"HAI_TASKS": "k8s", "KUBECONFIG": "/k"}) == COMPOSE
    assert provider_of(None, {"KUBECONFIG": "/k"}) == K8S
    assert provider_of(None, {"NODES": "2"}) == LOCAL
    assert provider_of("local", {"HAI_TASKS": "k8s"}) == LOCAL


def test_variables_without_effect_are_told() -> None:
    told = deployment_warnings(COMPOSE, {"MANAGER_NODES": "a", "TRAINING_NODES": "a", "NODES": "1"})
    assert [line.partition(" ")[0] for line in told] == ["MANAGER_NODES", "TRAINING_NODES"]
    told = deployment_warnings(COMPOSE, {"MANAGER_NODES": "a", **CLUSTER})
    assert [line.partition(" ")[0] for line in told] == ["MANAGER_NODES"]


@pytest.mark.parametrize(
    ("version", "numbers", "is_old"),
    [
        ("1.25.0", (1, 25), True),
        ("1.28.0", (1, 28), False),
        ("1.29.2", (1, 29), False),
        ("2.26.1-4", (2, 26), False),
        ("v2.40.0", (2, 40), False),
        ("nonsense", (0, 0), True),
    ],
)
def test_versions_of_compose(version: str, numbers: tuple[int, int], is_old: bool) -> None:
    assert number_of(version) == numbers
    assert Compose(("docker-compose",), version).is_too_old == is_old


def kubeconfig(folder: Path, **user: object) -> Path:
    (folder / "ca.crt").write_text("authority")
    (folder / "token").write_text("planted\n")
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "one",
        "contexts": [
            {"name": "one", "context": {"cluster": "c", "user": "u"}},
            {"name": "two", "context": {"cluster": "nowhere", "user": "u"}},
        ],
        "clusters": [
            {"name": "c", "cluster": {"server": "https://h", "certificate-authority": "ca.crt"}}
        ],
        "users": [{"name": "u", "user": user or {"tokenFile": "token"}}],
    }
    path = folder / "config"
    path.write_text(yaml.safe_dump(document))
    return path


def test_a_kubeconfig_stands_by_itself(tmp_path: Path) -> None:
    known = yaml.safe_load(flattened(kubeconfig(tmp_path), ""))
    cluster = known["clusters"][0]["cluster"]
    assert base64.b64decode(cluster["certificate-authority-data"]) == b"authority"
    assert "certificate-authority" not in cluster
    assert known["users"][0]["user"] == {"token": "planted"}
    assert [one["name"] for one in known["contexts"]] == ["one"]


@pytest.mark.parametrize("context", ["two", "three"])
def test_a_kubeconfig_without_that_context(tmp_path: Path, context: str) -> None:
    with pytest.raises(InvalidInput, match=r"has no (cluster|context)"):
        flattened(kubeconfig(tmp_path), context)


def test_a_kubeconfig_that_logs_in_by_a_program_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="by a program"):
        flattened(kubeconfig(tmp_path, exec={"command": "aws"}), "")


def test_no_kubeconfig(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="No such file"):
        flattened(tmp_path / "none", "")
    (tmp_path / "list").write_text("- a\n")
    with pytest.raises(InvalidInput, match="no kubeconfig"):
        flattened(tmp_path / "list", "")
