"""Server settings: one class per section, read once from override.toml and the environment."""

from hai.settings.docker import DockerSection
from hai.settings.kubernetes import KubernetesSection
from hai.settings.load import Settings, load_settings
from hai.settings.sections import (
    AgentSection,
    BusSection,
    ChannelSection,
    JupyterSection,
    LogSection,
    SchedulerSection,
    Section,
    ServerSection,
    StoreSection,
    SuspendSection,
    WorkspaceSection,
)

__all__ = [
    "AgentSection",
    "BusSection",
    "ChannelSection",
    "DockerSection",
    "JupyterSection",
    "KubernetesSection",
    "LogSection",
    "SchedulerSection",
    "Section",
    "ServerSection",
    "Settings",
    "StoreSection",
    "SuspendSection",
    "WorkspaceSection",
    "load_settings",
]
