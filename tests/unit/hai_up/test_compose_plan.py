"""The plan for Docker: the same for the same options, and what holds for every service of it."""

from dataclasses import replace
from pathlib import Path

import pytest

from hai.errors import InvalidInput
from hai_up.cluster.secrets import made
from hai_up.compose.options import EVERYWHERE, compose_options
from hai_up.compose.plan import plan_compose, services_of
from hai_up.compose.settings import with_added
from hai_up.providers.compose.look import files_of, masked_plan
from tests.unit.hai_up.compose_plans import (
    CLUSTER,
    FACTS,
    OUTSIDE,
    PLANTED,
    SECRETS,
    VALUES,
    VARIANTS,
    document,
    planned,
)

GOLDEN = Path(__file__).parent / "golden-compose"


@pytest.mark.parametrize("changes", VARIANTS, ids=str)
def test_rules_of_every_service(changes: dict[str, str]) -> None:
    plan = planned(**changes)
    services = document(plan)["services"]
    assert tuple(services) == plan.services == services_of(plan.options)
    for name, service in services.items():
        assert service["user"] == "10001:10001"
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert {"mem_limit", "cpus", "pids_limit", "healthcheck"} <= service.keys()
        assert service["logging"]["options"]["max-size"]
        assert service["restart"] == "always"
        assert service["networks"] == ["platform"]
        assert not {"privileged", "network_mode", "pid", "ipc", "cap_add", "devices"} & set(service)
        has_socket = any("docker.sock" in line for line in service.get("volumes", ()))
        assert has_socket == (name in ("control", "server") and plan.options.cluster is None)
        assert set(service.get("environment", {})) <= {"PGDATA", "POSTGRES_USER"}


@pytest.mark.parametrize("changes", VARIANTS, ids=str)
def test_secrets_stand_in_secret_files_alone(changes: dict[str, str]) -> None:
    plan = planned(**changes)
    shown = "\n".join(plan.files.values())
    assert not [word for word in (*PLANTED, "kkkkkk", "planted-kubeconfig") if word in shown]
    known = document(plan)["secrets"]
    assert set(known) == set(plan.secret_files)
    for service in document(plan)["services"].values():
        assert set(service.get("secrets", ())) <= set(known)
    assert "secrets" not in document(plan)["services"]["studio"]


def test_ports_of_databases_only_by_the_named_variable() -> None:
    def ports(**changes: str) -> set[str]:
        services = document(planned(**changes))["services"].values()
        return {port for service in services for port in service.get("ports", ())}

    assert ports() == {"0.0.0.0:80:7420", "0.0.0.0:8080:8080"}
    assert ports(EXPOSE_DATABASES="1", HAI_HOST="10.0.0.5", HAI_PORT="81") == {
        *("10.0.0.5:81:7420", "10.0.0.5:8080:8080"),
        *("10.0.0.5:5432:5432", "10.0.0.5:6379:6379"),
    }


@pytest.mark.parametrize(
    ("changes", "url", "addresses"),
    [
        ({}, "http://{gateway}:80", [EVERYWHERE]),
        ({"TASK_NETWORK": "host"}, "http://127.0.0.1:80", [EVERYWHERE]),
        ({"HAI_HOST": "10.0.0.5"}, "http://10.0.0.5:80", ["10.0.0.5"]),
        ({"HAI_HOST": "127.0.0.1"}, "http://172.17.0.1:80", ["127.0.0.1", "172.17.0.1"]),
        ({"HAI_HOST": "127.0.0.1", "TASK_NETWORK": "host"}, "http://127.0.0.1:80", ["127.0.0.1"]),
    ],
)
def test_containers_of_tasks_have_a_way_to_the_server(
    changes: dict[str, str], url: str, addresses: list[str]
) -> None:
    plan = planned(**changes)
    assert plan.settings["docker"]["server_url"] == url
    ports = document(plan)["services"]["api"]["ports"]
    assert ports == [f"{address}:80:7420" for address in addresses]


def test_no_way_to_the_server_is_told() -> None:
    with pytest.raises(InvalidInput, match="cannot reach"):
        planned(replace(FACTS, bridge=""), HAI_HOST="127.0.0.1")


def test_somebody_elses_database_and_bus() -> None:
    plan = planned(**OUTSIDE)
    assert plan.services == ("api", "control", "studio")
    settings = plan.settings
    passfile = "passfile=/run/secrets/pgpass"
    url = f"postgresql://me@db.example:5433/hai?sslmode=require&{passfile}"
    assert settings["store"]["url"] == url
    assert settings["bus"] == {
        "url": "rediss://bus.example:6380/1",
        "username": "you",
        "password_file": "/run/secrets/redis-password",
    }
    assert plan.secret_files["pgpass"] == "*:*:*:*:planted\\:url\n"
    assert plan.secret_files["redis-password"] == "plantedbus"
    assert "postgres-password" not in plan.secret_files


def test_tasks_go_to_a_cluster() -> None:
    plan = planned(**CLUSTER)
    assert "docker" not in plan.settings
    kubernetes = plan.settings["kubernetes"]
    assert kubernetes["kubeconfig"] == "/run/secrets/kubeconfig"
    assert plan.settings["server"]["url"] == "http://10.0.0.5:80"
    assert plan.secret_files["kubeconfig"] == "planted-kubeconfig"
    assert "'node-training-HIGH', 2" in plan.init_sql


def test_gpus_that_nobody_named_are_shared_out() -> None:
    plan = planned(replace(FACTS, gpus=5), NODE_GPUS="", NODES="2")
    assert plan.settings["docker"]["node_gpus"] == 2
    assert planned().settings["docker"]["node_gpus"] == 4


def test_no_limit_is_above_what_the_machine_has() -> None:
    services = document(planned(replace(FACTS, cpus=1)))["services"].values()
    assert {service["cpus"] for service in services} == {1.0}


def test_a_dollar_is_no_variable_of_compose() -> None:
    text = planned(SHARED_FS_ROOT="/nfs$HOME").files["docker-compose.yaml"]
    assert "/nfs$$HOME/hai-platform" in text
    assert "/nfs$HOME" not in text


@pytest.mark.parametrize(
    ("changes", "touched"),
    [
        ({}, set()),
        ({"HAI_STUDIO_PORT": "8081"}, {"studio"}),
        ({"NODES": "3"}, {"api", "control"}),
        ({"BASE_IMAGE": "r.example/hai:2"}, {"postgres", "redis", "api", "control", "studio"}),
        ({"EXPOSE_DATABASES": "1"}, {"postgres", "redis"}),
        ({"USER_INFO": "ada:1001:plantedtokenplantedtoken"}, set()),
    ],
)
def test_a_changed_variable_touches_only_what_reads_it(
    changes: dict[str, str], touched: set[str]
) -> None:
    before, after = document(planned())["services"], document(planned(**changes))["services"]
    assert {name for name in before if before[name] != after[name]} == touched


def test_a_new_password_restarts_who_knows_it() -> None:
    before = document(planned())["services"]
    options = compose_options(VALUES)
    known = replace(SECRETS, redis_password=SECRETS.redis_password + "-new")
    after = document(plan_compose(options, FACTS, known))["services"]
    changed = {name for name in before if before[name] != after[name]}
    assert changed == {"redis", "api", "control"}


def test_what_an_admin_added_to_the_settings_stays() -> None:
    ours, before = {"server": {"port": 1}}, {"server": {"port": 2}, "kubernetes": {"image": "x"}}
    old = {
        "server": {"port": 9, "mine": 3},
        "kubernetes": {"image": "x"},
        "suspend": {"term_seconds": 9},
    }
    assert with_added(ours, old, before) == {
        "server": {"port": 1, "mine": 3},
        "suspend": {"term_seconds": 9},
    }


def test_dryrun_shows_no_secret_and_is_the_same_each_time() -> None:
    values = {**VALUES, **OUTSIDE}
    first = files_of(masked_plan(values))
    assert first == files_of(masked_plan(values))
    text = "\n".join(first.values())
    assert not [word for word in (*PLANTED, "plantedbus") if word in text]


def test_golden_files() -> None:
    """To accept a change: files_of(masked_plan(VALUES)), written below GOLDEN."""
    files = files_of(masked_plan(VALUES))
    known = {str(path.relative_to(GOLDEN)) for path in GOLDEN.rglob("*") if path.is_file()}
    assert known == set(files)
    for name, text in files.items():
        assert (GOLDEN / name).read_text() == text, name


def test_secrets_of_two_platforms_differ() -> None:
    first, second = made(), made()
    assert first.postgres_password != second.postgres_password
    options = compose_options(VALUES)
    ids = {plan_compose(options, FACTS, one).worker_label for one in (first, second)}
    assert len(ids) == 2


def test_more_nodes_are_more_quota() -> None:
    """What an admin set stays as long as there are as many nodes as before."""
    first, same = planned(), planned(replace(FACTS, sizes_before={"training": 2}))
    more = planned(replace(FACTS, sizes_before={"training": 1}))
    assert first.init_sql == same.init_sql
    assert "DO UPDATE SET quota" in more.init_sql
    assert more.seed_fingerprint == first.seed_fingerprint
    assert planned(NODES="3").seed_fingerprint != first.seed_fingerprint
