"""Cluster variables of config.sh: their meaning, defaults, and what is refused."""

from pathlib import Path

import pytest

from hai.errors import InvalidInput
from hai_up.choice import K8S, LOCAL, deployment_warnings, provider_of, values_of
from hai_up.cluster.options import ClusterOptions, cluster_options
from hai_up.config import parse_config
from hai_up.userinfo import SeedUser
from hai_up.variables import ExtraMount

NEEDED = {"MANAGER_NODES": "a", "TRAINING_NODES": "a b", "BASE_IMAGE": "r.example/hai:1"}
TOKEN = "abcdefghijklmnopqrst"  # noqa: S105


def options(**values: str) -> ClusterOptions:
    return cluster_options({**NEEDED, **values})


def test_defaults() -> None:
    made = options()
    assert (made.task_namespace, made.platform_namespace) == ("hai-platform", "hai-platform")
    assert made.platform_path == "/nfs-shared/hai-platform"
    assert made.db_path == "/nfs-shared/hai-platform/db"
    assert made.train_image == made.base_image
    assert made.users == (SeedUser("haiadmin", 10020),)
    assert (made.root_user, made.service_type) == ("haiadmin", "LoadBalancer")
    assert (made.postgres_password, made.redis_password) == ("", "")


def test_what_the_original_takes() -> None:
    made = options(
        TASK_NAMESPACE="lab",
        SHARED_FS_ROOT="/nfs/",
        JUPYTER_NODES="c,d",
        USER_INFO=f"ada:1001:{TOKEN}, bob:1002",
        ROOT_USER="bob",
        EXTRA_MOUNTS="/data:/data:directory:ro,/etc/x:/etc/x:file",
        EXTRA_ENVIRONMENTS="A:1,URL:http://x:1",
        HAS_RDMA_HCA_RESOURCE="1",
    )
    assert made.platform_namespace == "lab"
    assert made.users == (SeedUser("ada", 1001, TOKEN), SeedUser("bob", 1002))
    assert made.mounts[0] == ExtraMount("/data", "/data", "Directory", read_only=True)
    assert made.mounts[1] == ExtraMount("/etc/x", "/etc/x", "File", read_only=False)
    assert made.environments == {"A": "1", "URL": "http://x:1"}
    assert made.has_rdma
    groups = {"a": "training", "b": "training", "c": "jupyter_cpu", "d": "jupyter_cpu"}
    assert made.group_of == groups


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MANAGER_NODES", ""),
        ("TRAINING_NODES", "UPPER"),
        ("JUPYTER_NODES", "a"),
        ("BASE_IMAGE", ""),
        ("BASE_IMAGE", "x y"),
        ("TASK_NAMESPACE", "Has_Capitals"),
        ("SHARED_FS_ROOT", "relative"),
        ("SHARED_FS_ROOT", "/a/../b"),
        ("DB_PATH", "/a'b"),
        ("NODE_GPUS", "many"),
        ("SERVICE_TYPE", "Magic"),
        ("TRAINING_GROUP", "with-dash"),
        ("USER_INFO", "haiadmin:10020:xxxxxxxx"),
        ("USER_INFO", "haiadmin:10020:short"),
        ("USER_INFO", "haiadmin:0"),
        ("USER_INFO", "a:1,b:1"),
        ("USER_INFO", "a:1,a:2"),
        ("ROOT_USER", "nobody"),
        ("POSTGRES_PASSWORD", "root"),
        ("REDIS_PASSWORD", "root"),
        ("REDIS_PASSWORD", "has a blank in it"),
        ("POSTGRES_USER", "x; drop"),
        ("EXTRA_MOUNTS", "/a:/b"),
        ("EXTRA_MOUNTS", "/a:/b:socket"),
        ("EXTRA_MOUNTS", "/a:b:file"),
        ("EXTRA_ENVIRONMENTS", "NOVALUE"),
        ("EXTRA_ENVIRONMENTS", "1A:x"),
    ],
)
def test_a_wrong_value_is_named(name: str, value: str) -> None:
    users = {} if name == "USER_INFO" else {"USER_INFO": "ada:1001"}
    with pytest.raises(InvalidInput) as caught:
        cluster_options({**NEEDED, **users, name: value})
    assert name.split("_NODES")[0] in caught.value.message
    assert caught.value.hint or name == "USER_INFO"


def test_a_token_is_never_in_a_message() -> None:
    with pytest.raises(InvalidInput) as caught:
        options(USER_INFO="ada:nouid:verysecretverysecret")
    assert "verysecret" not in caught.value.message + caught.value.hint
    assert TOKEN not in repr(options(USER_INFO=f"ada:1:{TOKEN}"))


def test_the_file_says_which_provider() -> None:
    assert provider_of(None, {}) == LOCAL
    assert provider_of(None, {"NODES": "2"}) == LOCAL
    assert provider_of(None, {"TRAINING_NODES": "a"}) == K8S
    assert provider_of(None, {"TRAINING_NODES": "a", "HAI_PROVIDER": "local"}) == LOCAL
    assert provider_of("kubernetes", {"HAI_PROVIDER": "local"}) == K8S


def test_things_of_the_past_are_told() -> None:
    told = deployment_warnings(
        K8S, {"BFF_ADMIN_TOKEN": "x", "BASE_IMAGE": "r/hai:latest", "NODES": "1"}
    )
    assert ["BFF_ADMIN_TOKEN" in told[0], "latest" in told[1], len(told)] == [True, True, 2]


@pytest.mark.parametrize(("mode", "warned"), [(0o600, False), (0o644, True), (0o640, True)])
def test_a_readable_file_with_secrets_is_told(tmp_path: Path, mode: int, *, warned: bool) -> None:
    file = tmp_path / "config.sh"
    file.write_text(f"USER_INFO=ada:1:{TOKEN}\n")
    file.chmod(mode)
    said: list[str] = []
    values_of(file, said.append)
    assert bool(said) == warned
    assert TOKEN not in "".join(said)


def test_a_readable_file_without_secrets_is_fine(tmp_path: Path) -> None:
    file = tmp_path / "config.sh"
    file.write_text("USER_INFO=ada:1\n# POSTGRES_PASSWORD=\n")
    said: list[str] = []
    values_of(file, said.append)
    assert said == []


def test_home_is_expanded_and_commands_are_not() -> None:
    values = parse_config("export KUBECONFIG=~/.kube/config\nB=$KUBECONFIG", {"HOME": "/home/ada"})
    assert values == {"KUBECONFIG": "/home/ada/.kube/config", "B": "/home/ada/.kube/config"}
    with pytest.raises(InvalidInput) as caught:
        parse_config("A=$(hostname)", {})
    assert caught.value.hint.startswith("write what it prints instead: A=")
    assert "VALUE" not in caught.value.hint
