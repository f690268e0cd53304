"""The original's sections of override.toml beside this platform's."""

from pathlib import Path

import pytest

from hai.core.logdirs import attempt_dir, common_dir
from hai.errors import InvalidInput
from hai.settings import Settings, load_settings
from hai.store.database import connection_settings

WHOLE = """
[database.postgres.primary]
db = "mars_db"
user = "hai"
password = "p@ss/w:rd?#é"
host = "db.example"
port = 15432
charset = "utf8"
pool_size = 20
[database.postgres.secondary]
host = "db2.example"
[database.redis]
host = "127.0.0.1"
port = 16379
db = 3
password = "s:cr/t"
[scheduler]
default_group = "gpu"
re_signal = 60
rotate_num = 5
[scheduler.beater.ticks]
class = "x"
[launcher]
api_server = "https://k8s.example:6443"
task_namespace = "tasks"
manager_image = "r.example/hai:1"
image_pull_policy = "Always"
manager_nodes = ["a", "b"]
[launcher.task_namespaces_by_role]
internal = "tasks"
external = "tasks"
[launcher.manager_envs]
HAS_RDMA_HCA_RESOURCE = "1"
NCCL_DEBUG = "INFO"
[launcher.manager_mounts]
nfs = "/nfs:/nfs"
data = "/data:/mnt/data:ro"
[jupyter]
shared_node_group_prefix = "shared_"
current_version = "1"
[jupyter.builtin_services.ssh]
port = 22
[experiment.log]
number_of_files = 6
max_filesize = "3M"
max_ops = "50k"
[[experiment.log.dist]]
role = "internal"
dir = "/nfs/logs/{user_name}"
[[experiment.log.dist]]
role = "external"
dir = "/nfs/logs/{user_name}"
[[k8s.config]]
config_file = "/etc/kubeconfig"
[manager]
anything = 1
[parliament]
monitor_count = 2
"""


def loaded(folder: Path, text: str) -> Settings:
    file = folder / "override.toml"
    file.write_text(text, "utf-8")
    return load_settings(file)


def complaint(folder: Path, text: str) -> str:
    with pytest.raises(InvalidInput) as caught:
        loaded(folder, text)
    assert "\n" not in caught.value.message
    return f"{caught.value.message} {caught.value.hint}"


def test_every_section_of_the_original_is_understood(tmp_path: Path) -> None:
    settings = loaded(tmp_path, WHOLE)
    database = connection_settings(settings.store.url.get_secret_value())
    assert {key: database[key] for key in ("host", "port", "dbname", "user", "password")} == {
        "host": "db.example",
        "port": "15432",
        "dbname": "mars_db",
        "user": "hai",
        "password": "p@ss/w:rd?#é",
    }
    assert settings.store.pool_size == 20
    assert settings.bus.url.get_secret_value() == "redis://:s%3Acr%2Ft@127.0.0.1:16379/3"
    assert settings.scheduler.default_group == "gpu"
    cluster = settings.kubernetes
    assert cluster.is_enabled
    assert cluster.kubeconfig == Path("/etc/kubeconfig")
    assert cluster.api_server == "https://k8s.example:6443"
    assert (cluster.namespace, cluster.agent_image) == ("tasks", "r.example/hai:1")
    assert (cluster.pull_policy, cluster.rdma_resource) == ("Always", "rdma/hca")
    assert cluster.variables == {"NCCL_DEBUG": "INFO"}
    assert cluster.mounts == {"nfs": "/nfs:/nfs", "data": "/data:/mnt/data:ro"}
    assert settings.jupyter.shared_node_group_prefix == "shared_"
    assert (settings.logs.segments, settings.logs.segment_bytes) == (6, 3 * 2**20)
    assert settings.log_dir == Path("/nfs/logs/{user_name}")


def test_what_has_no_effect_is_told(tmp_path: Path) -> None:
    notes = " ".join(loaded(tmp_path, WHOLE).notes)
    for name in (
        "[manager]",
        "[parliament]",
        "[database.postgres] secondary",
        "charset",
        "[scheduler] re_signal, rotate_num, beater",
        "[jupyter] current_version, builtin_services",
        "[launcher] manager_nodes",
        "[experiment.log] max_ops",
    ):
        assert name in notes
    assert loaded(tmp_path, "[server]\nport = 1\n").notes == ()


def test_the_short_form_of_a_database_is_understood(tmp_path: Path) -> None:
    text = '[database.postgres]\nhost = "/run/pg"\ndb = "x"\nuser = "u"\n'
    found = connection_settings(loaded(tmp_path, text).store.url.get_secret_value())
    assert (found["host"], found["dbname"], found["user"]) == ("/run/pg", "x", "u")
    found = connection_settings(
        loaded(tmp_path, '[database.postgres]\nhost = "::1"\n').store.url.get_secret_value()
    )
    assert (found["host"], found["dbname"]) == ("::1", "mars_db")


def test_secrets_are_in_no_representation(tmp_path: Path) -> None:
    settings = loaded(tmp_path, WHOLE)
    for text in (repr(settings), settings.model_dump_json()):
        assert "cr%2Ft" not in text
        assert "p%40ss" not in text
        assert "p@ss" not in text


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[store]\nurl = "memory:"\n[database.postgres]\ndb = "x"\n', "store.url: the original's"),
        ('[bus]\nurl = "redis://h"\n[database.redis]\nport = 1\n', "bus.url: the original's"),
        (
            '[kubernetes]\nnamespace = "a"\n[launcher]\ntask_namespace = "a"\n',
            "kubernetes.namespace: the original's",
        ),
        (
            '[logs]\ndir = "/a"\n[[experiment.log.dist]]\ndir = "/b"\n',
            "logs.dir: the original's",
        ),
    ],
)
def test_both_forms_are_an_error(tmp_path: Path, text: str, said: str) -> None:
    assert said in complaint(tmp_path, text)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[databse]\n", "databse: no such key; did you mean database?"),
        ("[sever]\n", "sever: no such key; did you mean server?"),
        ("[server]\nprot = 1\n", "server.prot: no such key; did you mean port?"),
        ("[kubernetes]\nkubeconfg = 'x'\n", "did you mean kubeconfig?"),
        ("[xyzzy]\n", "xyzzy: no such key"),
        ("[database.postgrs]\n", "database.postgrs: no such key; did you mean postgres?"),
        ("[database.postgres]\npasword = 'Wolpertinger'\n", "did you mean password?"),
        ("[database.postgres]\nport = 'x'\n", "database.postgres.port: a number from 1"),
        ("[database.postgres]\nport = 70000\n", "database.postgres.port"),
        ("[database.postgres]\nport = true\n", "database.postgres.port"),
        ("[database.postgres]\nhost = [1]\n", "database.postgres.host: a text"),
        ("[database.redis]\ndb = -1\n", "database.redis.db"),
        ("database = 1\n", "database: a section is expected"),
        ("[database]\npostgres = 1\n", "database.postgres: a section is expected"),
        ("[launcher]\nmanager_imag = 'x'\n", "did you mean manager_image?"),
        ("[launcher]\ntask_namespace = 'A b'\n", "kubernetes.namespace: 'A b' is no name"),
        ("[launcher.manager_envs]\nHAS_RDMA_HCA_RESOURCE = 2\n", "HAS_RDMA_HCA_RESOURCE: 0 or 1"),
        ("[launcher.manager_envs]\n'A-B' = 1\n", "'A-B' is no name of an environment"),
        ("[launcher.manager_mounts]\na = '/x'\n", "not of the form host:path[:ro]"),
        ("[launcher.manager_mounts]\na = '/x:/y/../z'\n", "not of the form"),
        ("[launcher.manager_mounts]\na = '/x:/y:rx'\n", "neither ro nor rw"),
        (
            "[launcher.task_namespaces_by_role]\ninternal = 'a'\nexternal = 'b'\n",
            "one namespace is expected",
        ),
        ("[jupyter]\nshared_node_group_prefx = 'x'\n", "did you mean shared_node_group_prefix?"),
        ("[scheduler]\ndefault_grop = 'x'\n", "did you mean default_group?"),
        ("[experiment.log]\nmax_filesize = 'big'\n", "a size is expected"),
        ("[experiment.log]\nnumber_of_files = 1\n", "from 2 to"),
        ("[experiment.log.dist]\ndir = '/a/{user}'\n", "the only placeholder is {user_name}"),
        ("[experiment.log.dist]\ndir = '/a/../{user_name}'\n", "leads back"),
        ("[experiment.log.dist]\ndri = '/a'\n", "did you mean dir?"),
        (
            "[[experiment.log.dist]]\nrole = 'internal'\ndir = '/a'\n"
            "[[experiment.log.dist]]\nrole = 'external'\ndir = '/b'\n",
            "one folder",
        ),
        ("[[k8s.config]]\nconfig_file = 'a'\n[[k8s.config]]\nconfig_file = 'b'\n", "one cluster"),
        ("[kubernetes]\nkubeconfig = 'a'\nin_cluster = true\n", "two ways in"),
        ("[kubernetes]\napi_server = '10.0.0.1:6443'\n", "no URL of a server"),
        ("[kubernetes]\napi_server = 'https://k8s:6443'\n", "how to log in there"),
        ("[launcher]\napi_server = 'https://k8s:6443'\n", "how to log in there"),
        ("[kubernetes]\napi_server = 'https://u:p@k8s:6443'\n", "without credentials"),
    ],
)
def test_a_wrong_key_is_named_with_what_was_meant(tmp_path: Path, text: str, said: str) -> None:
    found = complaint(tmp_path, text)
    assert said in found
    assert "Wolpertinger" not in found


def test_the_environment_wins_over_the_originals_form(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HAI_STORE__URL", "memory:")
    settings = loaded(tmp_path, '[database.postgres]\nhost = "h"\npool_size = 9\n')
    assert (settings.store.url.get_secret_value(), settings.store.pool_size) == ("memory:", 9)


def test_folders_of_logs() -> None:
    plain, each = Path("/logs"), Path("/nfs/{user_name}/logs")
    assert attempt_dir(plain, "alice", 7, 2) == Path("/logs/7/2")
    assert attempt_dir(each, "alice", 7, 2) == Path("/nfs/alice/logs/7/2")
    assert (common_dir(plain), common_dir(each)) == (Path("/logs"), Path("/nfs"))
    assert common_dir(Path("/nfs/of-{user_name}")) == Path("/nfs")
    for user in ("..", "a/b", "", "a\n"):
        with pytest.raises(ValueError, match="part of a path"):
            attempt_dir(each, user, 7, 2)
