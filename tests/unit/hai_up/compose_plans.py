"""Plans for Docker, with secrets that a test can find again."""

from dataclasses import replace
from itertools import product
from typing import Any

import yaml

from hai_up.cluster.secrets import PlatformSecrets, with_tokens
from hai_up.compose.options import compose_options
from hai_up.compose.plan import ComposeFacts, ComposePlan, plan_compose

VALUES = {
    "BASE_IMAGE": "r.example/hai:1",
    "TRAIN_IMAGE": "r.example/train:1",
    "SHARED_FS_ROOT": "/nfs",
    "USER_INFO": "ada:1001:plantedtokenplantedtoken,bob:1002",
    "NODES": "2",
    "NODE_GPUS": "4",
    "EXTRA_MOUNTS": "/data:/data:directory:ro",
    "EXTRA_ENVIRONMENTS": "NCCL_DEBUG:WARN",
    "POSTGRES_PASSWORD": "plantedpostgres",
    "REDIS_PASSWORD": "plantedredis",
}
CLUSTER = {
    "HAI_TASKS": "k8s",
    "KUBECONFIG": "/root/.kube/config",
    "TRAINING_NODES": "a b",
    "HAI_SERVER_ADDR": "10.0.0.5",
}
OUTSIDE = {
    "HAI_DATABASE_URL": "postgresql://me:planted%3Aurl@db.example:5433/hai?sslmode=require",
    "HAI_BUS_URL": "rediss://you:plantedbus@bus.example:6380/1",
}
PLANTED = ("plantedtoken", "plantedpostgres", "plantedredis", "planted:url", "planted%3A")
SECRETS = PlatformSecrets("plantedpostgres", "plantedredis", "k" * 48, "plantedtoken-of-hai-up")
FACTS = ComposeFacts(socket_gid=998, cpus=8, bridge="172.17.0.1", kubeconfig="planted-kubeconfig")


def planned(facts: ComposeFacts = FACTS, /, **changes: str) -> ComposePlan:
    options = compose_options({**VALUES, **changes})
    full = replace(options, users=with_tokens(options.users, SECRETS))
    return plan_compose(full, facts, SECRETS)


def document(plan: ComposePlan) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(plan.files["docker-compose.yaml"])
    return found


VARIANTS = [
    {"API_REPLICAS": replicas, "EXPOSE_DATABASES": exposed, **more}
    for replicas, exposed, more in product("01", "01", ({}, CLUSTER, OUTSIDE))
]
