"""Environments of tasks on the own disks of a cluster's nodes."""

import asyncio
import shutil
import tempfile
from pathlib import Path

from hai.core.task import WorkerKey
from hai.core.types import TaskId
from hai.launcher.worker import AgentOptions
from hai.ports import WorkerPhase
from tests.kubernetes.pods import Pods
from tests.kubernetes.testbed import Cluster
from tests.packs import PROGRAM, options_for
from tests.workers import UID


async def test_pods_of_a_user_share_a_copy(cluster: Cluster, namespace: str) -> None:
    node = Path(tempfile.mkdtemp(prefix="hai-test-"))
    agent = AgentOptions(env_dir=str(node), env_bytes=10**9, address="")
    try:
        async with Pods(cluster, namespace, agent=agent) as here:
            options, name = await asyncio.to_thread(options_for, here.work_dir, "/usr/bin/python3")
            entry = here.script("run.py", PROGRAM)
            for task in (7, 8):
                key = WorkerKey(TaskId(task), 1, 0)
                here.peer.order(str(key), go=True)
                run = {"parameters": str(node)}
                await here.launcher.launch(here.launch_of(entry, key, options=options, run=run))
                end = await here.until(key, WorkerPhase.EXITED)
                log = here.folder / "logs" / str(task) / "1"
                said = "".join(path.read_text() for path in sorted(log.glob("0.*.log")))
                assert end.exit_code == 0, said
                lines = [line[29:] for line in said.splitlines()]
                assert lines == [f"{node}/{UID}/{name} 65536", f"['{UID}'] 0o700 {UID}"]
    finally:
        shutil.rmtree(node)
