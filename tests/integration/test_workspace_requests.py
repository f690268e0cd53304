"""What a push through the API costs in questions and in bytes, whatever the machine's speed."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import haiworkspace
from hai.client.http import HaiClient
from haiworkspace import listing
from tests.integration.workspaces import Project, by_api, names, platform
from tests.served import Served

__all__ = ["platform"]  # a fixture
_FILES = 1000
_LARGE_MIB = 34

Asked = Callable[[], tuple[list[str], int]]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, platform: Served) -> Project:
    return by_api(Project(tmp_path), monkeypatch, platform)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch, project: Project) -> Asked:
    """Pushes; the routes that it asks for, and the bytes of all chunks that it sends."""
    routes: list[str] = []
    sent: list[int] = []
    tried = HaiClient._tried

    def counted(self: HaiClient, name: str, params: Any, words: Any, parts: Any) -> Any:
        routes.append(name)
        sent.append(len(words.get("content") or b""))
        return tried(self, name, params, words, parts)

    monkeypatch.setattr(HaiClient, "_tried", counted)

    def push() -> tuple[list[str], int]:
        routes.clear()
        sent.clear()
        haiworkspace.push(project.local)
        return [*routes], sum(sent)

    return push


def test_many_small_files(project: Project, asked: Asked) -> None:
    """Few requests; the second push asks whether anything changed, and reads nothing."""
    for number in range(_FILES):
        path = project.local / f"d{number % 30}" / f"f{number}.py"
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"value = {number}\n")
        os.utime(path, (1_700_000_000, 1_700_000_000))
    first, _ = asked()
    assert "workspace_digests" not in first
    assert len(first) <= 6, first
    assert names(project.remote) == names(project.local)
    assert asked()[0] == ["workspace", "workspace_tree"]
    (project.local / "d1" / "f1.py").write_text("value = None\n")
    again, _ = asked()
    assert len(again) <= 5, again
    assert (project.remote / "d1" / "f1.py").read_text() == "value = None\n"
    assert haiworkspace.diff(project.local).is_same


def test_a_part_of_a_large_file(
    project: Project, asked: Asked, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The changed chunk is sent, and the file is not read to find out that it changed."""
    path = project.local / "weights.bin"
    path.write_bytes(os.urandom(_LARGE_MIB << 20))
    os.utime(path, (1_700_000_000, 1_700_000_000))
    _, whole = asked()
    assert whole > _LARGE_MIB << 20
    with path.open("r+b") as file:
        file.seek(20 << 20)
        file.write(os.urandom(1 << 20))
    with monkeypatch.context() as patch:
        patch.setattr(listing, "digest_of", lambda *_, **__: pytest.fail("it was read once more"))
        _, part = asked()
    assert 1 << 20 < part < 1 << 21
    assert (project.remote / "weights.bin").read_bytes() == path.read_bytes()
    assert haiworkspace.diff(project.local).is_same


def test_what_tasks_wrote_there_is_not_read(project: Project, asked: Asked) -> None:
    """Nothing here is compared with it."""
    train = project.local / "train.py"
    train.write_text("pass\n")
    os.utime(
        train, (1_700_000_000, 1_700_000_000)
    )  # a newer one may have changed since it was read
    asked()
    for number in range(20):
        (project.remote / f"checkpoint{number}").write_bytes(b"weights")
    assert "workspace_digests" not in asked()[0]
    haiworkspace.pull(project.local)
    assert names(project.local) == names(project.remote)
