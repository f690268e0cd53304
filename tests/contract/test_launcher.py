"""The launchers' contract, over processes of this machine and over workers that only pretend."""

from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import ClassVar, Self

import pytest

from hai.core.node import Node
from hai.core.task import WorkerKey
from hai.core.types import GroupName, NodeName, Priority, UserName
from hai.launcher.hollow import HollowLauncher
from hai.ports import Launcher, WorkerLaunch
from hai.schema.agent import AgentOrder, AgentReport
from hai.service.clock import SystemClock
from tests.contract.launchers import WITHIN_SECONDS, EndingContract, OutlivingContract
from tests.integration.agent_peer import Site, site
from tests.waiting import async_wait_until


class LocalHarness:
    outlives_server: ClassVar[bool] = True

    def __init__(self, folder: Path) -> None:
        self._site = site(folder)

    async def __aenter__(self) -> Self:
        self._here: Site = await self._site.__aenter__()
        self.launcher: Launcher = self._here.launcher
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._site.__aexit__(None, None, None)

    def worker(self, key: WorkerKey, exit_code: int | None) -> WorkerLaunch:
        name = str(key).replace(".", "_")
        end = "time.sleep(600)" if exit_code is None else f"raise SystemExit({exit_code})"
        mark = f"print('start', file=open('{name}.starts', 'a'))"
        self._here.script(f"{name}.py", f"import time\n{mark}\n{end}\n")
        self._here.peer.order(str(key), go=True)
        self._here.launched.append(key)
        return self._here.worker(f"{name}.py", key=key)

    async def settle(self, key: WorkerKey) -> None:
        await async_wait_until(lambda: self.starts(key), WITHIN_SECONDS, what=f"start of {key}")

    async def successor(self) -> Launcher:
        launcher = self._here.new_launcher()
        await launcher.open()
        return launcher

    def starts(self, key: WorkerKey) -> int:
        marks = self._here.work_dir / f"{str(key).replace('.', '_')}.starts"
        return len(marks.read_text().splitlines()) if marks.exists() else 0


class HollowHarness:
    """Real time; the door lets every worker go at once, so that none waits for a gang."""

    outlives_server: ClassVar[bool] = False

    def __init__(self) -> None:
        self._starts: Counter[str] = Counter()
        self._open: list[Launcher] = []

    async def __aenter__(self) -> Self:
        self.launcher: Launcher = await self.successor()
        return self

    async def __aexit__(self, *error: object) -> None:
        for launcher in self._open:
            await launcher.close()

    def worker(self, key: WorkerKey, exit_code: int | None) -> WorkerLaunch:
        simulate = {"seconds": 600} if exit_code is None else {"seconds": 0, "exit_code": exit_code}
        return WorkerLaunch(
            key=key,
            node=Node(NodeName(f"h{key.rank}"), GroupName("training"), "hollow"),
            user=UserName("ada"),
            uid=None,
            task_name="t",
            chain_id="c",
            group="training",
            priority=Priority.NORMAL,
            world_size=1,
            spec={"options": {"simulate": simulate}},
            whole_life_state=0,
            log_dir="",
            server_url="",
            token="",
        )

    async def settle(self, key: WorkerKey) -> None:
        await async_wait_until(lambda: self.starts(key), WITHIN_SECONDS, what=f"start of {key}")

    async def successor(self) -> Launcher:
        launcher = HollowLauncher(SystemClock(), self._report)
        self._open.append(launcher)
        await launcher.open()
        return launcher

    def starts(self, key: WorkerKey) -> int:
        return self._starts[str(key)]

    async def _report(self, reports: Sequence[AgentReport]) -> Mapping[str, AgentOrder]:
        self._starts.update(report["key"] for report in reports if report["phase"] == "ready")
        return {report["key"]: self._order(report) for report in reports}

    @staticmethod
    def _order(report: AgentReport) -> AgentOrder:
        return {
            "go": True,
            "master_addr": "",
            "master_port": 0,
            "suspend": False,
            "grace_seconds": 60.0,
            "stop": False,
            "term_seconds": 5.0,
            "over": report["phase"] == "exited",
        }


class TestLocal(OutlivingContract):
    @pytest.fixture
    async def harness(self, tmp_path: Path) -> AsyncIterator[LocalHarness]:
        async with LocalHarness(tmp_path) as made:
            yield made


class TestHollow(EndingContract):
    @pytest.fixture
    async def harness(self) -> AsyncIterator[HollowHarness]:
        async with HollowHarness() as made:
            yield made
