"""What haiworkspace must not do: follow strangers, open what is closed, undo what others did."""

import getpass
import os
from pathlib import Path

import pytest

from hai.errors import InvalidInput
from haiworkspace.records import default_remote
from tests.integration.workspaces import Project, names, platform, project

__all__ = ["platform", "project"]  # fixtures


def test_a_file_becomes_a_directory_and_back(project: Project) -> None:
    project.write(a="file")
    assert project.run("push").returncode == 0
    (project.local / "a").unlink()
    (project.local / "a").mkdir()
    (project.local / "a" / "b").write_text("inside")
    pulled = project.run("pull")
    assert pulled.returncode == 0, pulled.stderr
    assert (project.local / "a" / "b").read_text() == "inside", "only changed here: it stays"
    pushed = project.run("push")
    assert pushed.returncode == 0, pushed.stderr
    assert names(project.remote) == ["a/b"]
    (project.remote / "a" / "b").unlink()
    (project.remote / "a").rmdir()
    (project.remote / "a").write_text("file again")
    assert project.run("push").returncode == 6, "changed there: it is not undone"
    pulled = project.run("pull")
    assert pulled.returncode == 0, pulled.stderr
    assert (project.local / "a").read_text() == "file again"
    assert project.run("diff").returncode == 0


def mode_of(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_directories_keep_their_permissions(project: Project) -> None:
    secret = project.local / "secret" / "inner"
    secret.mkdir(parents=True)
    (secret / "key").write_text("key")
    secret.chmod(0o750)
    secret.parent.chmod(0o700)
    project.local.chmod(0o700)
    assert project.run("push").returncode == 0
    there = project.remote / "secret"
    assert [mode_of(one) for one in (project.remote, there, there / "inner")] == [
        0o700,
        0o700,
        0o750,
    ]
    secret.chmod(0o700)
    shown = project.run("diff")
    assert shown.returncode == 1
    assert "~ secret/inner/" in shown.stdout
    pushed = project.run("push")
    assert "1 with new permissions" in pushed.stderr
    assert mode_of(there / "inner") == 0o700
    there.chmod(0o711)
    assert project.run("push").returncode == 0
    assert mode_of(there) == 0o711, "what changed there stays"
    assert project.run("pull").returncode == 0
    assert mode_of(secret.parent) == 0o711
    assert project.run("diff").returncode == 0
    assert mode_of(project.local / ".hai" / "sync.json") == 0o600


needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")


@needs_root
@pytest.mark.parametrize("name", [".hai", ".hai/workspace.yml", ".hfai"])
def test_a_workspace_of_somebody_else_is_not_followed(project: Project, name: str) -> None:
    """A directory above ours may be everybody's, and what lies there anybody's."""
    project.write(a="mine")
    if name == ".hfai":
        (project.local / ".hai").rename(project.local / ".hfai")
    os.chown(project.local / name, 12345, 12345)
    for verb in ("push", "pull", "diff"):
        done = project.run(verb, HAI_WORKSPACE_ROOT=str(project.local.parent))
        assert done.returncode == 5, done.stderr
        assert "belongs to 12345" in done.stderr
    assert not project.remote.exists()


@pytest.mark.parametrize("side", ["local", "remote"])
@pytest.mark.parametrize("link", ["workspace.lock", ""])
def test_records_that_are_links_are_refused(
    project: Project, tmp_path: Path, side: str, link: str
) -> None:
    """Nothing is truncated or made where a link points."""
    project.write(a="mine")
    assert project.run("push").returncode == 0
    folder = getattr(project, side) / ".hai"
    precious = tmp_path / "precious"
    if link:
        precious.write_text("text")
        (folder / link).unlink(missing_ok=True)
        (folder / link).symlink_to(precious)
    else:
        folder.rename(precious)
        folder.symlink_to(precious)
    before = sorted((path, path.stat().st_mtime_ns) for path in [precious, *precious.glob("*")])
    project.write(a="changed")
    done = project.run("push")
    assert done.returncode == 5, done.stderr
    after = sorted((path, path.stat().st_mtime_ns) for path in [precious, *precious.glob("*")])
    assert before == after
    if link:
        assert precious.read_text() == "text"


def test_the_root_of_workspaces(tmp_path: Path) -> None:
    user = getpass.getuser()
    own = tmp_path / "hai-platform" / "workspace" / user
    shared = {"SHARED_FS_ROOT": str(tmp_path)}
    with pytest.raises(InvalidInput):
        default_remote("digits", shared)
    own.mkdir(parents=True)
    assert default_remote("digits", shared) == own / "workspaces" / "digits"
    named = {**shared, "HAI_WORKSPACE_ROOT": "/elsewhere"}
    assert default_remote("digits", named) == Path("/elsewhere") / user / "workspaces" / "digits"
