"""Where a container's logs lie, and how long its task may take to leave."""

import pytest

from hai.core.mounts import HostPathType, Mount, MountKind
from hai.errors import PlatformError
from hai.launcher.worker import SCRIPTS, grace_of, log_folders, root_scripts

HOST, PVC = MountKind.HOST_PATH, MountKind.PVC


def test_logs_lie_on_the_node_unless_a_mount_holds_them() -> None:
    found = log_folders("/logs", "/logs/ada/7/1", ())
    assert found.volume.source == "/logs"
    assert found.volume.host_path_type is HostPathType.DIRECTORY_OR_CREATE
    assert found.sub_path == "ada/7/1"


def test_the_innermost_mount_that_may_be_written_holds_them() -> None:
    shared = Mount("shared", PVC, "claim", "/shared", sub_path="hai")
    closed = Mount("closed", HOST, "/x", "/shared/logs", read_only=True)
    other = Mount("other", HOST, "/y", "/shared2")
    found = log_folders("/shared/logs", "/shared/logs/7/1", (other, shared, closed))
    assert (found.volume.kind, found.volume.source) == (PVC, "claim")
    assert found.volume.sub_path == "hai/logs"
    assert found.sub_path == "hai/logs/7/1"


def test_a_mount_at_the_log_folder_itself() -> None:
    mount = Mount("logs", HOST, "/nfs/logs", "/logs")
    found = log_folders("/logs", "/logs/7/1", (mount,))
    assert (found.volume.source, found.volume.sub_path, found.sub_path) == ("/nfs/logs", "", "7/1")


def test_logs_elsewhere_are_refused() -> None:
    with pytest.raises(PlatformError, match="is not below the log folder"):
        log_folders("/logs", "/other/7/1", ())


@pytest.mark.parametrize(
    ("options", "seconds"),
    [({}, 60.0), ({"grace_seconds": 90}, 90.0), ({"grace_seconds": 1e6}, 600)],
)
def test_grace(options: dict[str, object], seconds: float) -> None:
    assert grace_of({"options": options}, 60.0, 600.0) == seconds


def at(path: str, *, personal: bool = False) -> Mount:
    return Mount("m", MountKind.HOST_PATH, "/source", path, personal=personal)


def test_scripts_of_root_come_from_rows_that_are_not_the_user_s() -> None:
    one, two = f"{SCRIPTS}/10-drivers", f"{SCRIPTS}/20-mine"
    mounts = [at(one), at(two, personal=True), at("/data"), at("/usr/local/sbin/hf-scripts-not")]
    assert root_scripts(mounts) == [one]
    assert root_scripts([at("/usr/local/sbin")]) == ["/usr/local/sbin"]
    assert root_scripts([at(SCRIPTS), at(f"{SCRIPTS}/own", personal=True)]) == []
    assert root_scripts([]) == []
