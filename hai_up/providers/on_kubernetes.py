"""What hai-up does with a cluster, under the names that all deployments have."""

from hai_up.providers.kubernetes.doctor import cluster_checks as checks
from hai_up.providers.kubernetes.down import down, purge
from hai_up.providers.kubernetes.logs import show_log, show_paths
from hai_up.providers.kubernetes.look import check_config, config_template, show_plan, status
from hai_up.providers.kubernetes.run import run

__all__ = [
    "check_config",
    "checks",
    "config_template",
    "down",
    "purge",
    "run",
    "show_log",
    "show_paths",
    "show_plan",
    "status",
]
