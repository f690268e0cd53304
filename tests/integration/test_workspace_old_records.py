"""What an older release wrote down, whose digests of long files are of the whole content, goes on
to be understood; and so does a platform that knows no other ones."""

import hashlib
import json
import os
from pathlib import Path

import pytest

import haiworkspace
from hai.errors import Conflict
from haiworkspace import tasks, workspace
from haiworkspace.plan import FileChange, FileEntry
from haiworkspace.remotes import opened
from haiworkspace.remotes.api import ApiRemote
from haiworkspace.remotes.sending import Sending
from haiworkspace.workspace import TransferOptions, workspace_of
from tests.integration.workspaces import Project, by_api, platform
from tests.served import Served

__all__ = ["platform"]  # a fixture
_MIB = 1 << 20


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, platform: Served) -> Project:
    """It was pushed when nobody knew of digests by chunks."""
    made = by_api(Project(tmp_path), monkeypatch, platform)
    (made.local / "weights").write_bytes(os.urandom(3 * _MIB))
    (made.local / "data").write_bytes(os.urandom(3 * _MIB))
    (made.local / "a.py").write_text("one")
    for name in ("weights", "data", "a.py"):  # a newer one may have changed since it was read
        os.utime(made.local / name, (1_700_000_000, 1_700_000_000))
    with monkeypatch.context() as before:
        before.setattr(ApiRemote, "by_chunks", False)
        haiworkspace.push(made.local)
    assert _recorded(made, "weights") == _whole(made.local / "weights")
    return made


def _whole(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _recorded(project: Project, name: str) -> str:
    state = json.loads((project.local / ".hai" / "sync.json").read_text())
    return str(state["base"][name][3])


def _change(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(_MIB + 5)
        file.write(os.urandom(10))


def test_it_is_compared_and_renewed(project: Project) -> None:
    assert haiworkspace.diff(project.local).is_same
    (project.local / "data").touch()
    assert haiworkspace.push(project.local).is_same, "touched here: its content is compared"
    (project.remote / "data").touch()
    assert haiworkspace.diff(project.local).is_same, "touched there"
    _change(project.local / "weights")
    assert haiworkspace.diff(project.local).changes == {"weights": FileChange.CHANGED}
    haiworkspace.push(project.local)
    assert _recorded(project, "weights").startswith("c1-")
    assert _recorded(project, "data") == _whole(project.local / "data")
    assert (project.remote / "weights").read_bytes() == (project.local / "weights").read_bytes()
    assert haiworkspace.diff(project.local).is_same
    _change(project.remote / "data")
    _change(project.remote / "weights")
    assert haiworkspace.diff(project.local).changes == {
        "data": FileChange.TARGET_CHANGED,
        "weights": FileChange.TARGET_CHANGED,
    }
    haiworkspace.pull(project.local)
    for name in ("data", "weights"):
        assert (project.remote / name).read_bytes() == (project.local / name).read_bytes()


@pytest.mark.parametrize("arrived", [True, False])
def test_a_push_that_is_cut_off_is_no_conflict(
    project: Project, monkeypatch: pytest.MonkeyPatch, arrived: bool
) -> None:
    """The client ends right before, or after, the server does what it was asked for."""
    _change(project.local / "weights")

    class Ended(Exception):
        pass

    def ended(*_: object) -> None:
        raise Ended

    with monkeypatch.context() as cut:
        cut.setattr(ApiRemote if arrived else Sending, "_note" if arrived else "apply", ended)
        with pytest.raises(Ended):
            haiworkspace.push(project.local)
    is_there = (project.remote / "weights").read_bytes() == (project.local / "weights").read_bytes()
    assert is_there == arrived
    haiworkspace.push(project.local)
    assert (project.remote / "weights").read_bytes() == (project.local / "weights").read_bytes()
    assert haiworkspace.diff(project.local).is_same


def test_snapshots_of_both_forms(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """A task that was submitted before runs what it ran, and is compared with what is here."""
    here = workspace_of(project.local)
    with monkeypatch.context() as before:
        before.setattr(ApiRemote, "by_chunks", False)
        old = workspace.snapshot(here, TransferOptions())
    _change(project.local / "weights")
    new = workspace.snapshot(here, TransferOptions())
    with opened(here) as remote:
        digests = {path: one.digest for path, one in remote.snapshot_entries(new.id).items()}
    assert str(digests["weights"]).startswith("c1-")
    weights = (project.local / "weights").read_bytes()
    assert (Path(new.folder) / "weights").read_bytes() == weights
    assert (Path(old.folder) / "weights").read_bytes() != weights
    monkeypatch.setattr(tasks, "snapshot_of", lambda *_: old.id)
    assert tasks.diff_task(here, "1", TransferOptions()).changes == {"weights": FileChange.CHANGED}
    (Path(old.folder) / "out").write_bytes(os.urandom(2 * _MIB))
    assert tasks.pull_task(here, "1", TransferOptions()).copied == ["out"], (
        "code does not come back"
    )
    assert tasks.pull_task(here, "1", TransferOptions()).copied == []
    monkeypatch.setattr(tasks, "snapshot_of", lambda *_: new.id)
    changes = tasks.diff_task(here, "1", TransferOptions()).changes
    assert changes == {"out": FileChange.ADDED}


def test_a_snapshot_of_something_else_is_refused(project: Project) -> None:
    """The server reads what it takes, by chunks as well."""
    _change(project.local / "weights")
    here = workspace_of(project.local)
    haiworkspace.push(project.local)
    with opened(here) as remote:
        rows = json.loads((project.local / ".hai" / "sync.json").read_text())["base"]
        entries = {path: FileEntry(*row) for path, row in rows.items()}
        _change(project.remote / "weights")
        with pytest.raises(Conflict, match="weights changed in the workspace"):
            remote.snapshot(entries)
