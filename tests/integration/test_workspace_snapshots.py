"""Snapshots: what a task runs stays what it is, whatever is pushed later."""

import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

import haiworkspace
from hai.errors import Conflict, InvalidInput, NotFound
from haiworkspace import tasks, workspace
from haiworkspace.plan import FileChange
from haiworkspace.remotes import opened
from haiworkspace.workspace import CodeSnapshot, TransferOptions, workspace_of
from tests.integration.workspaces import Project, by_api, names, platform

__all__ = ["platform"]  # a fixture


@pytest.fixture(params=["dir", "api"])
def project(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Project]:
    made = Project(tmp_path)
    with ExitStack():
        if request.param == "api":
            by_api(made, monkeypatch, request.getfixturevalue("platform"))
        else:
            made.init()
        yield made


def taken(project: Project) -> CodeSnapshot:
    return workspace.snapshot(workspace_of(project.local), TransferOptions())


def below(folder: str) -> list[str]:
    """All files of a snapshot."""
    return sorted(
        str(path.relative_to(folder)) for path in Path(folder).rglob("*") if not path.is_dir()
    )


def collected(project: Project, *keep: str) -> int:
    """All that nobody needs, as if they had been old."""
    with opened(workspace_of(project.local)) as remote:
        folder = Path(remote.folder) / ".hai" / "snapshots"
    for path in folder.glob("*.json"):
        os.utime(path, (0, 0))
    before = [path.name for path in folder.iterdir() if (path / "a.py").exists()]
    project.write(other=str(len(before)))
    taken(project)
    after = [path.name for path in folder.iterdir() if (path / "a.py").exists()]
    return len(set(before) - set(after))


def test_it_stays_as_it_was(project: Project) -> None:
    (project.local / "src").mkdir()
    project.write(**{"a.py": "one", "src/b.py": "same", "run.sh": "echo", ".haiignore": "*.pt\n"})
    project.write(**{"big.pt": "weights"})
    (project.local / "run.sh").chmod(0o755)
    (project.local / "latest").symlink_to("src/b.py")
    first = taken(project)
    project.write(**{"a.py": "two"})
    second = taken(project)
    assert first.id != second.id
    old, new = Path(first.folder), Path(second.folder)
    assert [(one / "a.py").read_text() for one in (old, new)] == ["one", "two"]
    assert names(Path(first.twin)) == [".haiignore", "a.py", "latest", "run.sh", "src/b.py"]
    assert sorted(one.name for one in old.iterdir()) == sorted(
        [".haiignore", "a.py", "latest", "run.sh", "src"]
    )
    assert os.access(old / "run.sh", os.X_OK)
    assert (old / "latest").readlink() == Path("src/b.py")
    shared = [(one / "src" / "b.py").stat() for one in (old, new)]
    assert shared[0].st_ino == shared[1].st_ino, "unchanged files are shared"
    assert (old / "a.py").stat().st_mode & 0o222 == 0, "and nobody writes into them by mistake"
    project.write(**{"a.py": "one"})
    assert taken(project).id == first.id, "the same code is the same snapshot"
    assert (Path(first.twin) / "a.py").stat().st_mode & 0o200, "the twin is as it was"


def test_a_shared_file_that_somebody_wrote_is_made_anew(project: Project) -> None:
    project.write(**{"a.py": "one", "b.py": "1"})
    first = taken(project)
    victim = Path(first.folder) / "a.py"
    victim.chmod(0o644)
    victim.write_text("bad")
    project.write(**{"b.py": "2"})
    assert (Path(taken(project).folder) / "a.py").read_text() == "one"


def test_old_ones_are_collected_and_outputs_stay(project: Project) -> None:
    project.write(**{"a.py": "one"})
    first = taken(project)
    (Path(first.folder) / "out").mkdir()
    (Path(first.folder) / "out" / "log").write_text("epoch 1")
    project.write(**{"a.py": "two"})
    second = taken(project)
    if project.remote.parent.name == "shared":  # nobody is asked which of them tasks may run
        assert collected(project) == 0
        return
    assert collected(project) == 2
    assert not Path(second.folder).exists()
    assert below(first.folder) == ["out/log"], "what a task wrote is nobody's to remove"
    project.write(**{"a.py": "one"})
    (project.local / "other").unlink()
    haiworkspace.push(project.local, delete=True)
    again = taken(project)
    assert again.id == first.id
    assert below(first.folder) == ["a.py", "out/log"]


def test_what_a_task_wrote_is_fetched(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    project.write(**{"a.py": "one"})
    made = taken(project)
    monkeypatch.setattr(tasks, "snapshot_of", lambda *_: made.id)
    here = workspace_of(project.local)
    out = Path(made.folder) / "out"
    out.mkdir()
    (out / "log").write_text("epoch 1")
    (out / "big").write_bytes(os.urandom(9 << 20))
    project.write(**{"a.py": "two"})
    plan = tasks.pull_task(here, "1", TransferOptions())
    assert plan.copied == ["out/big", "out/log"]
    assert (project.local / "a.py").read_text() == "two", "code does not come back"
    assert (project.local / "out" / "big").read_bytes() == (out / "big").read_bytes()
    (out / "log").write_text("epoch 2")
    assert tasks.pull_task(here, "1", TransferOptions()).copied == ["out/log"]
    assert (project.local / "out" / "log").read_text() == "epoch 2"
    (out / "log").write_text("epoch 3")
    (project.local / "out" / "log").write_text("mine")
    with pytest.raises(Conflict, match="another file here"):
        tasks.pull_task(here, "1", TransferOptions())
    assert (project.local / "out" / "log").read_text() == "mine"
    tasks.pull_task(here, "1", TransferOptions(force=True))
    assert (project.local / "out" / "log").read_text() == "epoch 3"


def test_the_difference_to_a_task(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    project.write(**{"a.py": "one", "b.py": "1", "c.py": "1"})
    made = taken(project)
    monkeypatch.setattr(tasks, "snapshot_of", lambda *_: made.id)
    here = workspace_of(project.local)
    assert tasks.diff_task(here, "1", TransferOptions()).is_same
    project.write(**{"a.py": "two", "new.py": ""})
    (project.local / "b.py").unlink()
    (project.local / "c.py").chmod(0o755)
    assert tasks.diff_task(here, "1", TransferOptions()).changes == {
        "a.py": FileChange.CHANGED,
        "b.py": FileChange.REMOVED,
        "c.py": FileChange.CHANGED,
        "new.py": FileChange.ADDED,
    }
    monkeypatch.setattr(tasks, "snapshot_of", lambda *_: "0" * 16)
    with pytest.raises(NotFound):
        tasks.diff_task(here, "1", TransferOptions())
    if project.remote.parent.name == "workspaces":
        with opened(here) as remote, pytest.raises((InvalidInput, NotFound)):
            remote.snapshot_entries("../../x")
