"""The plan for a cluster: the same for the same options, and what holds for every object of it."""

import base64
import json
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest

from hai.errors import InvalidInput
from hai_up.cluster.objects import RESOURCES
from hai_up.cluster.options import cluster_options
from hai_up.cluster.plan import ClusterFacts, ClusterPlan, job_objects, plan_cluster, seed_objects
from hai_up.cluster.probe import probe_pods
from hai_up.cluster.secrets import MASKED, PlatformSecrets, made, read, user_token
from hai_up.providers.kubernetes.look import files_of, masked_plan
from hai_up.providers.kubernetes.place import with_tokens, without_secrets

GOLDEN = Path(__file__).parent / "golden"
VALUES = {
    "MANAGER_NODES": "m1 m2",
    "TRAINING_NODES": "a b",
    "JUPYTER_NODES": "c",
    "BASE_IMAGE": "r.example/hai:1",
    "TRAIN_IMAGE": "r.example/train:1",
    "SHARED_FS_ROOT": "/nfs",
    "USER_INFO": "ada:1001:plantedtokenplantedtoken,bob:1002",
    "EXTRA_MOUNTS": "/data:/data:directory:ro",
    "EXTRA_ENVIRONMENTS": "NCCL_DEBUG:WARN",
    "INGRESS_HOST": "hai.example",
    "INGRESS_TLS_SECRET": "hai-tls",
    "POSTGRES_PASSWORD": "plantedpostgres",
    "REDIS_PASSWORD": "plantedredis",
}
PLANTED = ("plantedtoken", "plantedpostgres", "plantedredis")
SECRETS = PlatformSecrets("plantedpostgres", "plantedredis", "k" * 48, "plantedtoken-of-hai-up")


def planned(**changes: str) -> ClusterPlan:
    options = with_tokens(cluster_options({**VALUES, **changes}), SECRETS)
    return plan_cluster(options, ClusterFacts("policy/v1"), SECRETS)


def everything(**changes: str) -> list[dict[str, Any]]:
    plan = planned(**changes)
    items = [item for stage in plan.stages.values() for item in stage]
    folders = [{"name": "platform", "path": "/nfs/hai-platform"}]
    root = job_objects(
        plan.options, SECRETS, "hai-down", ["rm"], as_root=True, folders=folders, seconds=9
    )
    return items + seed_objects(plan, SECRETS) + root


VARIANTS = [
    {"DB_STORAGE_CLASS": storage, "EXPOSE_DATABASES": exposed, "SERVICE_TYPE": service}
    for storage, exposed, service in product(("", "fast"), "01", ("LoadBalancer", "NodePort"))
] + [
    {"TASK_NAMESPACE": "tasks", "PLATFORM_NAMESPACE": "platform"},
    {"INGRESS_HOST": ""},
    {"API_REPLICAS": "0", "IMAGE_PULL_SECRETS": "registry"},
]


def pod_specs(items: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for item in items:
        if "template" in item.get("spec", {}):
            yield item["spec"]["template"]["spec"]
        elif item["kind"] == "Pod":
            yield item["spec"]


@pytest.mark.parametrize("version", ["1.25", "1.37"])
@pytest.mark.parametrize("changes", VARIANTS, ids=str)
def test_every_object_is_of_the_published_schema(changes: dict[str, str], version: str) -> None:
    """Where an unknown field is an error too."""
    doctors = probe_pods(cluster_options({**VALUES, **changes}), "space", "abcd").values()
    for item in (*everything(**changes), *doctors):
        assert kubernetes_validate.validate(item, version, strict=True) == version


@pytest.mark.parametrize("changes", VARIANTS, ids=str)
def test_rules_of_every_pod(changes: dict[str, str]) -> None:
    doctors = probe_pods(cluster_options({**VALUES, **changes}), "space", "abcd").values()
    specs = list(pod_specs([*everything(**changes), *doctors]))
    assert len(specs) >= 10
    for spec in specs:
        assert not {"hostNetwork", "hostPID", "hostIPC"} & spec.keys()
        containers = [*spec.get("initContainers", ()), *spec["containers"]]
        for one in containers:
            security = {**spec["securityContext"], **one["securityContext"]}
            assert "privileged" not in security
            assert security["allowPrivilegeEscalation"] is False
            assert security["readOnlyRootFilesystem"] is True
            assert security["capabilities"]["drop"] == ["ALL"]
            assert set(one["resources"]["limits"]) == {"cpu", "memory"}
            assert set(one["resources"]["requests"]) == {"cpu", "memory"}
            assert security["seccompProfile"] == {"type": "RuntimeDefault"}
            as_root = security.get("runAsUser") == 0
            assert as_root or security["runAsNonRoot"] is True
            assert not as_root or one["name"] in ("folders", "job", "probe")
            mounts = {mount["name"] for mount in one["volumeMounts"]}
            assert mounts <= {volume["name"] for volume in spec.get("volumes", ())} | {"db"}
        with_account = spec.get("automountServiceAccountToken") is not False
        assert with_account == (spec.get("serviceAccountName") == "hai-server")


@pytest.mark.parametrize("changes", VARIANTS, ids=str)
def test_rules_of_every_object(changes: dict[str, str]) -> None:
    items = everything(**changes)
    for item in items:
        assert item["kind"] in RESOURCES, "no CRD, webhook or another kind that down does not know"
        assert "finalizers" not in item["metadata"]
        assert item["metadata"]["labels"]["app.kubernetes.io/managed-by"] == "hai-up"
        for port in item["spec"].get("ports", ()) if item["kind"] == "Service" else ():
            assert port["protocol"] == "TCP", "old servers cannot apply a port without it"
    service = next(item for item in items if item["metadata"]["name"] == "hai-platform-svc")
    ports = {port["port"] for port in service["spec"]["ports"]}
    databases = {5432, 6379} if changes.get("EXPOSE_DATABASES") == "1" else set()
    door = {7421} if changes.get("INGRESS_HOST", VALUES["INGRESS_HOST"]) else set()
    assert ports == {80, 8080} | databases | door


def test_processes_by_role() -> None:
    def commands(**changes: str) -> dict[str, list[str]]:
        deployments = [i for i in everything(**changes) if i["kind"] == "Deployment"]
        return {
            item["metadata"]["name"]: [
                str(item["spec"]["replicas"]),
                *item["spec"]["template"]["spec"]["containers"][0]["command"][2:6],
            ]
            for item in deployments
        }

    run = ["hai-server", "run", "--role"]
    assert commands(API_REPLICAS="3") == {
        "hai-api": ["3", *run, "api"],
        "hai-control": ["2", *run, "control"],
        "hai-studio": ["1", *commands()["hai-studio"][1:]],
    }
    assert commands(API_REPLICAS="0")["hai-server"] == ["1", *run, "all"]
    budgets = {i["metadata"]["name"] for i in everything() if i["kind"] == "PodDisruptionBudget"}
    assert budgets == {"hai-api", "hai-control"}
    with pytest.raises(InvalidInput, match="API_REPLICAS"):
        planned(API_REPLICAS="-1")


def test_users_reach_api_pods_alone() -> None:
    """The Service sends to the pods that have a port of the name "api"."""
    named = {
        item["metadata"]["name"]: [
            port["name"]
            for one in item["spec"]["template"]["spec"]["containers"]
            for port in one["ports"]
        ]
        for item in everything()
        if item["kind"] == "Deployment"
    }
    assert named == {
        "hai-api": ["api", "door"],
        "hai-control": ["control"],
        "hai-studio": ["studio"],
    }


def test_every_pod_may_pull_with_a_login() -> None:
    specs = list(pod_specs(everything(IMAGE_PULL_SECRETS="one two")))
    assert len(specs) > 3
    both = [{"name": "one"}, {"name": "two"}]
    assert [spec["imagePullSecrets"] for spec in specs] == [both] * len(specs)
    toml = planned(IMAGE_PULL_SECRETS="one").files["override.toml"]
    assert 'pull_secrets = ["one"]' in toml, "those of tasks as well"


def test_the_servers_rights_are_few() -> None:
    rules = {
        (item["kind"], resource): set(rule["verbs"])
        for item in everything()
        if item["kind"] in ("Role", "ClusterRole")
        for rule in item["rules"]
        for resource in rule["resources"]
    }
    assert rules == {
        ("Role", "pods"): {"get", "list", "watch", "create", "patch", "delete"},
        ("Role", "secrets"): {"get", "list", "create", "patch", "delete"},
        ("Role", "services"): {"create"},
        ("ClusterRole", "nodes"): {"get", "list", "watch", "patch"},
        ("ClusterRole", "pods"): {"list", "watch"},
    }


def test_secrets_stand_in_secrets_alone() -> None:
    items = everything()
    clear = json.dumps([item for item in items if item["kind"] != "Secret"])
    coded = [base64.b64encode(word.encode()).decode()[:12] for word in PLANTED]
    assert not [word for word in (*PLANTED, *coded) if word in clear]
    data = "".join(
        base64.b64decode(text).decode()
        for item in items
        if item["kind"] == "Secret"
        for text in item["data"].values()
    )
    assert all(word in data for word in PLANTED)


def test_dryrun_shows_no_secret_and_is_the_same_each_time() -> None:
    one, two = files_of(masked_plan(VALUES)), files_of(masked_plan(VALUES))
    assert one == two
    text = "".join(one.values())
    for found in (text, *_decoded(text)):
        assert not [word for word in PLANTED if word in found]
    assert without_secrets(VALUES)["USER_INFO"] == "ada:1001,bob:1002"
    assert not [word for word in PLANTED if word in json.dumps(without_secrets(VALUES))]


def _decoded(text: str) -> Iterator[str]:
    for word in text.split():
        try:
            yield base64.b64decode(word.strip("'\""), validate=True).decode()
        except ValueError:
            continue


def test_golden_files() -> None:
    """To accept a change: hai-up dryrun of these VALUES with --out tests/unit/hai_up/golden."""
    files = files_of(masked_plan(VALUES))
    assert sorted(files) == sorted(path.name for path in GOLDEN.iterdir())
    for name, text in files.items():
        assert text == (GOLDEN / name).read_text(), name


def test_what_changes_rolls_what_it_touches() -> None:
    def marks(plan: ClusterPlan, stage: str) -> dict[str, str]:
        item = next(item for item in plan.stages[stage] if "template" in item.get("spec", {}))
        found: dict[str, str] = item["spec"]["template"]["metadata"]["annotations"]
        return found

    before, after = planned(), planned(EXTRA_ENVIRONMENTS="A:2")
    assert marks(before, "server") != marks(after, "server")
    assert before.stages["database"] == after.stages["database"]
    assert before.stages["studio"] == after.stages["studio"]
    assert before.seed_fingerprint == after.seed_fingerprint
    assert planned(USER_INFO="ada:1001").seed_fingerprint != before.seed_fingerprint


def test_quotas_follow_the_nodes() -> None:
    """Only when there are more of them, or fewer: an admin may have changed them."""

    def rows(sizes: dict[str, int] | None) -> ClusterPlan:
        options = with_tokens(cluster_options({**VALUES, "TRAINING_NODES": "a b x"}), SECRETS)
        return plan_cluster(options, ClusterFacts("policy/v1", frozenset(), sizes), SECRETS)

    renewed, same, first = (
        rows({"training": 2, "jupyter_cpu": 1}),
        rows({"training": 3, "jupyter_cpu": 1}),
        rows(None),
    )
    assert "('public', 'node-training-HIGH', 3)" in renewed.files["init.sql"]
    assert "DO UPDATE SET quota = excluded.quota" in renewed.files["init.sql"]
    for plan in (same, first):
        assert "DO UPDATE SET quota" not in plan.files["init.sql"]
        assert plan.seed_fingerprint == renewed.seed_fingerprint, "rows are imported once"
    assert renewed.seed_fingerprint != planned().seed_fingerprint


def test_secrets_are_made_once_and_read_back() -> None:
    first = made()
    assert read(first.data()) == first
    assert made() != first
    lacking = {name: text for name, text in first.data().items() if name != "redis-password"}
    again = read(lacking)
    assert again.postgres_password == first.postgres_password
    assert again.redis_password not in ("", first.redis_password)
    assert user_token(first, "ada") == user_token(first, "ada") != user_token(first, "bob")
    assert len(user_token(first, "ada")) >= 40
    assert "plantedpostgres" not in repr(SECRETS) + repr(MASKED)


def test_a_namespace_that_was_there_is_not_ours() -> None:
    options = with_tokens(cluster_options(VALUES), SECRETS)
    plan = plan_cluster(options, ClusterFacts("", frozenset({"hai-platform"})), SECRETS)
    assert plan.stages["namespaces"] == []
