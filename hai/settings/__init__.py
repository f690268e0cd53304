"""Server settings: one class per section, read once from override.toml and the environment."""

from hai.settings.kubernetes import KubernetesSection
from hai.settings.load import Settings, load_settings, log_dir_of
from hai.settings.sections import (
    AgentSection,
    BusSection,
    LogSection,
    SchedulerSection,
    Section,
    ServerSection,
    StoreSection,
    SuspendSection,
)

__all__ = [
    "AgentSection",
    "BusSection",
    "KubernetesSection",
    "LogSection",
    "SchedulerSection",
    "Section",
    "ServerSection",
    "Settings",
    "StoreSection",
    "SuspendSection",
    "load_settings",
    "log_dir_of",
]
