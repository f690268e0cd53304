"""Workers of a launcher whose containers share a folder with this machine, under a server's side
that the test controls."""

import shutil
import tempfile
from pathlib import Path
from typing import Any, ClassVar

from hai.core.node import Node
from hai.core.task import WorkerKey
from hai.core.types import Priority, TaskId, UserName
from hai.ports import Launcher, Observation, WorkerLaunch, WorkerPhase
from tests.integration.agent_peer import TOKEN, Peer
from tests.waiting import async_wait_until

WITHIN_SECONDS = 90.0
UID = 64321


class Workers:
    """A harness of the launchers' contract (tests/contract/test_launcher.py). Subclasses bring the
    launcher, its nodes, and the peer."""

    outlives_server: ClassVar[bool] = True
    launcher: Launcher
    peer: Peer
    server_url: str  # of the launches

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="hai-test-", dir="/tmp"))
        self.work_dir = self.folder / "work"
        self.launched: set[WorkerKey] = set()

    def node_of(self, key: WorkerKey) -> Node:
        raise NotImplementedError

    def make_folders(self) -> None:
        self.folder.chmod(0o755)
        self.work_dir.mkdir()
        self.work_dir.chmod(0o777)

    def remove_folders(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)

    def script(self, name: str, text: str) -> str:
        (self.work_dir / name).write_text(text)
        return name

    def launch_of(self, entrypoint: str, key: WorkerKey | None = None, **more: Any) -> WorkerLaunch:
        key = key or WorkerKey(TaskId(7), 1, 0)
        self.launched.add(key)
        run = {"entrypoint": entrypoint, "workspace": str(self.work_dir), **more.pop("run", {})}
        spec = {"version": 2, "name": "t", "spec": run, "options": more.pop("options", {})}
        node = self.node_of(key)
        values: dict[str, Any] = {
            "key": key,
            "node": node,
            "user": UserName("ada"),
            "uid": UID,
            "task_name": "t",
            "chain_id": "c",
            "group": "training",
            "priority": Priority.NORMAL,
            "world_size": 1,
            "spec": spec,
            "whole_life_state": 0,
            "log_dir": str(self.folder / "logs" / str(key.task_id) / str(key.attempt)),
            "server_url": self.server_url,
            "token": TOKEN,
            "nodes": (node.name,),
            **more,
        }
        return WorkerLaunch(**values)

    def worker(self, key: WorkerKey, exit_code: int | None) -> WorkerLaunch:
        """As the contract suite asks for it: it ends at once, or runs on."""
        name = str(key).replace(".", "_")
        end = "time.sleep(600)" if exit_code is None else f"raise SystemExit({exit_code})"
        mark = f"print('start', file=open('{name}.starts', 'a'))"
        self.script(f"{name}.py", f"import time\n{mark}\n{end}\n")
        self.peer.order(str(key), go=True)
        return self.launch_of(f"{name}.py", key)

    async def settle(self, key: WorkerKey) -> None:
        await async_wait_until(lambda: self.starts(key), WITHIN_SECONDS, what=f"start of {key}")

    def starts(self, key: WorkerKey) -> int:
        marks = self.work_dir / f"{str(key).replace('.', '_')}.starts"
        return len(marks.read_text().splitlines()) if marks.exists() else 0

    async def seen(self, key: WorkerKey) -> Observation | None:
        return next((one for one in await self.launcher.observe() if one.key == key), None)

    async def until(self, key: WorkerKey, phase: WorkerPhase, words: str = "") -> Observation:
        """The observation once it is of that phase and says these words."""
        found: list[Observation | None] = [None]

        async def look() -> bool:
            found[0] = await self.seen(key)
            return bool(found[0] and found[0].phase is phase and words in found[0].detail)

        try:
            await async_wait_until(look, WITHIN_SECONDS, what=f"{key} {phase} {words}")
        except AssertionError as error:
            raise AssertionError(f"{error}; it is {found[0]}") from None
        assert found[0] is not None
        return found[0]
