"""What `hai-up run` makes on a cluster: a pure function of options, facts and secrets.

`objects_of` renders templates/k8s; the provider applies what comes out, `hai-up dryrun` shows it.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import yaml

from hai_up.cluster.options import ClusterOptions
from hai_up.cluster.roles import roles_of
from hai_up.cluster.secrets import PlatformSecrets, encoded
from hai_up.first_rows import UID, Seed, init_sql
from hai_up.render import read_template, render
from hai_up.variables import shared_groups

Json = dict[str, Any]

MANAGER = "hai-up"  # field manager, and the label of all that is ours
LABELS = {"app.kubernetes.io/managed-by": MANAGER, "app.kubernetes.io/part-of": "hai-platform"}
SELECTOR = ",".join(f"{name}={value}" for name, value in LABELS.items())
SERVICE = "hai-platform-svc"
SECRET = "hai-platform-secrets"  # noqa: S105 - its name
SEED_JOB = "hai-seed"
SCRIPTS = ("folders.sh", "passwd", "postgres.sh", "redis.sh")
# Requests are what they need at rest: the nodes are there for tasks.
SMALL = {"requests": {"cpu": "10m", "memory": "32Mi"}, "limits": {"cpu": "1", "memory": "512Mi"}}
_SIZES = {
    "database_size": ("200m", "256Mi", "4", "4Gi"),
    "redis_size": ("50m", "64Mi", "1", "1Gi"),
    "server_size": ("200m", "256Mi", "4", "4Gi"),
    "studio_size": ("50m", "128Mi", "2", "4Gi"),
}


@dataclass(frozen=True, slots=True)
class ClusterFacts:
    """What the plan needs to know of the cluster. `pdb_version` "": it has no such objects;
    `foreign_namespaces`: they were there before, and stay; `sizes_before`: of the groups when rows
    were last imported."""

    pdb_version: str = ""
    foreign_namespaces: frozenset[str] = frozenset()
    sizes_before: Mapping[str, int] | None = None


@dataclass(frozen=True, slots=True)
class ClusterPlan:
    """`stages`: objects in the order in which they are applied, by the stage's name."""

    options: ClusterOptions
    stages: Mapping[str, list[Json]]
    files: Mapping[str, str]  # override.toml and init.sql
    seed_fingerprint: str


def plan_cluster(
    options: ClusterOptions, facts: ClusterFacts, secrets: PlatformSecrets
) -> ClusterPlan:
    """`options` with the tokens of all users (see with_tokens)."""
    seed = _seed(options)
    renews = facts.sizes_before not in (None, options.sizes)
    rows = init_sql(replace(seed, renews_quotas=renews), secrets.admin_token)
    files = {"override.toml": _override(options), "init.sql": rows}
    values = _values(options, facts, secrets, files)
    names = ("namespaces", "access", "config", "network", "database", "redis", "server", "studio")
    stages = {name: objects_of(f"{name}.yaml.j2", values) for name in names}
    fingerprint = secrets.fingerprint(init_sql(seed, secrets.admin_token))
    return ClusterPlan(options, stages, files, fingerprint)


def job_objects(
    options: ClusterOptions, secrets: PlatformSecrets, name: str, command: list[str], **more: Any
) -> list[Json]:
    """A Job in the platform's image. more: seed_data (files for it, in a Secret), as_root and
    folders (of the node), seconds."""
    chosen = {"seed_data": {}, "as_root": False, "folders": [], "seconds": 600, **more}
    chosen["seed_data"] = {file: encoded(text) for file, text in chosen["seed_data"].items()}
    values = _values(options, ClusterFacts(), secrets, {"override.toml": _override(options)})
    return objects_of("job.yaml.j2", {**values, **chosen, "job_name": name, "command": command})


def seed_objects(plan: ClusterPlan, secrets: PlatformSecrets) -> list[Json]:
    """The Job that imports init.sql, with the rows in a Secret that does not outlive it."""
    seed = {"init.sql": plan.files["init.sql"]}
    command = [
        "hai-server",
        "import",
        "/hai/seed/init.sql",
        "--config",
        "/hai/config/override.toml",
    ]
    return job_objects(plan.options, secrets, SEED_JOB, command, seed_data=seed)


def objects_of(template: str, values: Mapping[str, Any]) -> list[Json]:
    """The objects of one template."""
    text = render(f"k8s/{template}", **values)
    return [item for item in yaml.safe_load_all(text) if item]


def label_of(options: ClusterOptions) -> str:
    """Of nodes: which group they are in."""
    return f"{options.mars_prefix}_mars_group"


def _values(
    options: ClusterOptions,
    facts: ClusterFacts,
    secrets: PlatformSecrets,
    files: Mapping[str, str],
) -> Json:
    scripts = {name: read_template(f"k8s/{name}") for name in SCRIPTS}
    ours = dict.fromkeys((options.platform_namespace, options.task_namespace))
    texts = {
        "config": files["override.toml"],
        "scripts": json.dumps(scripts),
        "secrets": json.dumps(secrets.data()),
    }
    roles = roles_of(options)
    return {
        "labels": LABELS,
        "namespaces": [name for name in ours if name not in facts.foreign_namespaces],
        "namespace": options.platform_namespace,
        "task_namespace": options.task_namespace,
        "image": options.base_image,
        "uid": UID,
        "secret_data": secrets.data(),
        "override_toml": files["override.toml"],
        "scripts": scripts,
        "fingerprints": {name: secrets.fingerprint(text) for name, text in texts.items()},
        "manager_nodes": list(options.manager_nodes),
        "pull_secrets": list(options.pull_secrets),
        "storage_class": options.storage_class,
        "db_path": options.db_path,
        "platform_path": options.platform_path,
        "postgres_user": options.postgres_user,
        "workspace_users": " ".join(f"{user.name}:{user.uid}" for user in options.users),
        "service_type": options.service_type,
        "exposes_databases": options.exposes_databases,
        "database_users": [*(role["name"] for role in roles), "hai-job"],
        "ingress_host": options.ingress_host,
        "ingress_class": options.ingress_class,
        "ingress_tls": options.ingress_tls,
        "pdb_version": facts.pdb_version,
        "roles": roles,
        "small": SMALL,
        **{name: _size(*amounts) for name, amounts in _SIZES.items()},
    }


def _size(cpu: str, memory: str, most_cpu: str, most_memory: str) -> Json:
    return {
        "requests": {"cpu": cpu, "memory": memory},
        "limits": {"cpu": most_cpu, "memory": most_memory},
    }


def _override(options: ClusterOptions) -> str:
    """Without a secret: those come as variables of the pods."""
    variables = dict(options.environments)
    kubernetes: Json = {
        "in_cluster": True,
        "namespace": options.task_namespace,
        "agent_image": options.base_image,
        "image": options.train_image,
        "label_prefix": options.mars_prefix,
        "rdma_resource": "rdma/hca" if options.has_rdma else "",
        "variables": variables,
    }
    if options.pull_secrets:
        kubernetes["pull_secrets"] = list(options.pull_secrets)
    sections = {
        "server": {
            "host": "0.0.0.0",  # noqa: S104 - of the pod
            "port": 7420,
            "data_dir": "/opt/hai/data",
            "secret_file": "/opt/hai/run/secret",
        },
        "scheduler": {"default_group": options.training_group},
        "jupyter": shared_groups(options.training_group, options.jupyter_group),
        "logs": {"dir": f"{options.platform_path}/workspace/log"},
        "kubernetes": kubernetes,
    }
    if options.ingress_host:
        scheme, port = ("https", 443) if options.ingress_tls else ("http", 80)
        sections["door"] = {
            "host": options.ingress_host,
            "port": 7421,
            "scheme": scheme,
            "public_port": port,
        }
    return render("override.toml.j2", sections=sections)


def _seed(options: ClusterOptions) -> Seed:
    return Seed(
        users=options.users,
        root_user=options.root_user,
        platform_path=options.platform_path,
        sizes=options.sizes,
        jupyter_group=options.jupyter_group,
        train_image=options.train_image,
        mounts=options.mounts,
    )
