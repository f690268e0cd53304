"""The root step of a pod: folders for logs, made where users own the upper ones."""

import json
import os
import stat
from pathlib import Path

import pytest

from hai.agent.memory import shortage
from hai.agent.prepare import make_folders, prepare


def write(path: Path, document: object) -> str:
    path.write_text(json.dumps(document))
    return str(path)


def test_folders_are_of_the_user_and_the_platforms_group(tmp_path: Path) -> None:
    uid, gid = (64321, 64322) if os.geteuid() == 0 else (os.getuid(), os.getgid())
    for _ in range(2):  # every rank does it
        make_folders(str(tmp_path), ["ada", "7", "1"], uid, gid)
    for folder in ("ada", "ada/7", "ada/7/1"):
        info = (tmp_path / folder).stat()
        assert stat.S_IMODE(info.st_mode) == 0o2750
        if os.geteuid() == 0:
            assert (info.st_uid, info.st_gid) == (uid, gid)


def test_links_of_the_user_lead_nowhere(tmp_path: Path) -> None:
    (tmp_path / "victim").mkdir(mode=0o700)
    (tmp_path / "logs" / "7").mkdir(parents=True)
    (tmp_path / "logs" / "7" / "1").symlink_to(tmp_path / "victim")
    with pytest.raises(OSError, match=r"."):
        make_folders(str(tmp_path / "logs"), ["7", "1"], os.getuid(), os.getgid())
    assert stat.S_IMODE((tmp_path / "victim").stat().st_mode) == 0o700


@pytest.mark.parametrize("name", ["..", ".", "", "a/b"])
def test_names_that_lead_elsewhere(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="is no name of a folder"):
        make_folders(str(tmp_path), [name], os.getuid(), os.getgid())


def test_cancelled_worker_prepares_nothing(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert prepare(str(tmp_path / "spec.json")) == 1
    assert "was cancelled" in capfd.readouterr().err


def test_what_cannot_be_prepared_is_said(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    todo = {"log_root": str(tmp_path / "none"), "log_folders": ["7"], "uid": 1, "log_gid": 1}
    assert prepare(write(tmp_path / "spec.json", {"prepare": todo})) == 1
    assert "cannot prepare" in capfd.readouterr().err


def test_shortage_of_memory_in_both_kinds_of_groups(tmp_path: Path) -> None:
    root = str(tmp_path)
    assert shortage(root) == ""
    groups = tmp_path / "sys/fs/cgroup"
    (groups / "memory").mkdir(parents=True)
    (groups / "memory/memory.oom_control").write_text("oom_kill_disable 0\noom_kill 0\n")
    assert shortage(root) == ""
    (groups / "memory/memory.oom_control").write_text("under_oom 0\noom_kill 2\n")
    (groups / "memory/memory.limit_in_bytes").write_text(f"{2**31}\n")
    assert shortage(root) == "out of memory: the limit here is 2.0 GiB"
    (groups / "memory/memory.limit_in_bytes").write_text("9223372036854771712\n")
    assert shortage(root) == "out of memory"
    (groups / "memory.events").write_text("low 0\noom 1\noom_kill 1\n")
    (groups / "memory.max").write_text(f"{2**30}\n")
    assert shortage(root) == "out of memory: the limit here is 1.0 GiB"
