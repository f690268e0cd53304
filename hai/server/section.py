"""What the settings of all container launchers say in the same words."""

from hai.core.mounts import Mount, MountKind
from hai.settings.containers import ContainerSection, split_mount


def mounts_of(section: ContainerSection) -> tuple[Mount, ...]:
    """Those that every container gets."""
    found = []
    for name, text in section.mounts.items():
        host, path, read_only = split_mount(text)
        label = name.replace("_", "-")
        found.append(Mount(label, MountKind.HOST_PATH, host, path, read_only=read_only))
    return tuple(found)
