"""Environments of tasks on a Docker node's own disk."""

import shutil
import tempfile
from pathlib import Path

from hai.core.task import WorkerKey
from hai.core.types import TaskId
from hai.launcher.worker import AgentOptions
from hai.ports import WorkerPhase
from tests.docker.containers import Containers
from tests.docker.engine import PrivateEngine
from tests.packs import PROGRAM, options_for
from tests.workers import UID


async def test_a_users_tasks_share_a_copy_that_no_other_user_sees(engine: PrivateEngine) -> None:
    node = Path(tempfile.mkdtemp(prefix="hai-test-"))
    agent = AgentOptions(env_dir=str(node), env_bytes=10**9, address="")
    try:
        async with Containers(engine, agent=agent) as here:
            options, name = options_for(here.work_dir, "/usr/bin/python3")
            entry = here.script("run.py", PROGRAM)
            for task, uid in ((7, UID), (8, UID), (9, UID + 1)):
                key = WorkerKey(TaskId(task), 1, 0)
                here.peer.order(str(key), go=True)
                run = {"parameters": str(node)}
                await here.launcher.launch(
                    here.launch_of(entry, key, options=options, run=run, uid=uid)
                )
                end = await here.until(key, WorkerPhase.EXITED)
                said = here.text(key).splitlines()
                assert end.exit_code == 0, said
                assert said == [f"{node}/{uid}/{name} 65536", f"['{uid}'] 0o700 {uid}"]
            assert sorted(path.name for path in node.iterdir()) == [str(UID), str(UID + 1)]
    finally:
        shutil.rmtree(node)
