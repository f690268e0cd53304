"""The profile of the user who starts the platform: written, kept or put aside."""

import stat
import subprocess
from pathlib import Path

import pytest

from hai.errors import PlatformError
from hai_up.profile import profile_path, read_profile, remove_profile, write_profile

OURS = {"url": "http://127.0.0.1:7420", "token": "new", "user": "ada"}


def write(path: Path, *, works: bool = False) -> tuple[str, list[str]]:
    said: list[str] = []
    return write_profile(path, OURS, lambda _: works, said.append), said


def test_a_first_profile(tmp_path: Path) -> None:
    path = tmp_path / ".hai" / "conf.yaml"
    assert write(path) == ("", [])
    assert read_profile(path) == OURS
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_a_working_profile_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "conf.yaml"
    path.write_text("url: http://127.0.0.1:7420/\ntoken: old\nuser: bob\n")
    assert write(path, works=True) == ("", [])
    assert read_profile(path)["token"] == "old"  # noqa: S105


def test_a_profile_whose_token_is_dead_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "conf.yaml"
    path.write_text("url: http://127.0.0.1:7420\ntoken: old\n")
    assert write(path) == ("", [])
    assert read_profile(path) == OURS


@pytest.mark.parametrize("text", ["url: http://cluster\ntoken: t\n", "{ no yaml", "- a list\n"])
def test_another_servers_profile_is_put_aside(tmp_path: Path, text: str) -> None:
    path = tmp_path / "conf.yaml"
    path.write_text(text)
    backup, said = write(path, works=True)
    assert Path(backup).read_text() == text
    assert backup in said[0]
    assert read_profile(path) == OURS
    assert remove_profile(path, OURS["url"], backup)
    assert path.read_text() == text


def test_our_own_profile_of_another_port_is_replaced(tmp_path: Path) -> None:
    """The backup of the profile that was there first stays."""
    path = tmp_path / "conf.yaml"
    path.write_text("url: http://cluster\ntoken: t\n")
    backup, _ = write(path)
    path.write_text("url: http://127.0.0.1:9999\ntoken: new\nuser: ada\n")
    assert write(path) == ("", [])
    assert read_profile(path) == OURS
    assert read_profile(Path(backup))["token"] == "t"  # noqa: S105


def test_a_backup_overwrites_none(tmp_path: Path) -> None:
    path = tmp_path / "conf.yaml"
    backups = []
    for name in ("one", "two", "three"):
        path.write_text(f"url: http://{name}\n")
        backups.append(Path(write(path)[0]))
    assert [read_profile(backup)["url"] for backup in backups] == [
        "http://one",
        "http://two",
        "http://three",
    ]


def test_only_our_own_profile_is_removed(tmp_path: Path) -> None:
    path = tmp_path / "conf.yaml"
    assert remove_profile(path, OURS["url"], "") == ""
    path.write_text("url: http://cluster\n")
    assert remove_profile(path, OURS["url"], "") == ""
    assert path.exists()
    path.unlink()
    write(path)
    assert str(path) in remove_profile(path, OURS["url"], "")
    assert not path.exists()


def test_a_profile_that_can_not_be_removed_is_named(tmp_path: Path) -> None:
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(tmp_path)]
    if subprocess.run(mount, check=False).returncode != 0:
        pytest.skip("a tmpfs cannot be mounted here (not root, or no CAP_SYS_ADMIN)")
    try:
        path = tmp_path / "conf.yaml"
        write(path)
        subprocess.run(["mount", "-o", "remount,ro", str(tmp_path)], check=True)
        assert "Read-only" in remove_profile(path, OURS["url"], "")
    finally:
        subprocess.run(["umount", "-l", str(tmp_path)], check=True)


def test_nobody_knows_where_home_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.setattr("os.getuid", lambda: 4_000_000_000)
    with pytest.raises(PlatformError, match="no home folder"):
        profile_path()
    monkeypatch.setenv("HAI_CONF", "/some/where")
    assert profile_path() == Path("/some/where")
