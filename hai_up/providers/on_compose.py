"""What hai-up does with Docker, under the names that all deployments have."""

from hai_up.providers.compose.doctor import checks
from hai_up.providers.compose.down import down, purge
from hai_up.providers.compose.look import (
    check_config,
    config_template,
    show_log,
    show_paths,
    show_plan,
    status,
)
from hai_up.providers.compose.run import run

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
