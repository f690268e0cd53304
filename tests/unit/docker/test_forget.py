"""A launcher lets go of a worker in steps, and an engine may fail at each."""

import json
from pathlib import Path

import pytest

from hai.core.images import Image
from hai.core.task import WorkerKey
from hai.core.types import TaskId
from hai.errors import Unavailable
from hai.launcher.docker.engine import DockerEngine
from hai.launcher.docker.launcher import DockerLauncher
from hai.launcher.docker.nodes import DockerNodes, ShareOptions
from hai.launcher.docker.orders import DockerOptions
from hai.launcher.docker.records import Records
from hai.ports import WorkerPhase
from tests.unit.docker.fake_engine import FakeEngine

KEY = WorkerKey(TaskId(7), 1, 0)


async def test_what_could_not_be_forgotten_is_seen_until_it_is(tmp_path: Path) -> None:
    """As when the engine is told to stop: it answers, and fails at removing a network."""
    fake = FakeEngine(tmp_path / "docker.sock")
    await fake.start()
    view = DockerEngine(fake.socket, Records(tmp_path / "docker"))
    options = DockerOptions(
        log_root=str(tmp_path / "logs"), log_gid=0, image=Image("i", "i"), server_url="http://s"
    )
    nodes = DockerNodes(view, ShareOptions(), lambda: 0)
    launcher = DockerLauncher(view, nodes, options, data_dir=tmp_path)
    await launcher.open()
    try:
        view.records.make(KEY)
        await launcher.kill(KEY)
        fake.answer = (500, json.dumps({"message": "error while removing network"}).encode())
        with pytest.raises(Unavailable, match="removing"):
            await launcher.forget(KEY)
        assert [(one.key, one.phase) for one in await launcher.observe()] == [
            (KEY, WorkerPhase.LOST)
        ]
        fake.answer = (200, b"{}")
        await launcher.forget(KEY)
        assert await launcher.observe() == []
        assert view.records.all() == {}
    finally:
        await launcher.close()
        await fake.stop()
