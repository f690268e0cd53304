"""The file that a cluster reads a container's last words from, under an agent that is no more than
its program: whatever that writes there, it stays small, and the agent's report is in it."""

import asyncio
import json
import sys
from pathlib import Path

from hai.launcher.worker import AgentOptions, agent_spec
from tests.integration.agent_peer import site
from tests.live import REPOSITORY

PROGRAM = REPOSITORY / "scripts" / "hostile_driver" / "inside" / "words.py"
WRITTEN_MIB = 256


async def test_the_file_of_last_words_does_not_grow(tmp_path: Path) -> None:
    end_file, worker_dir = tmp_path / "end", tmp_path / "worker"
    end_file.touch()
    worker_dir.mkdir(mode=0o700)
    async with site(tmp_path) as here:
        text = PROGRAM.read_text().replace("/dev/termination-log", str(end_file))
        worker = here.worker(here.script("words.py", text), run={"parameters": str(WRITTEN_MIB)})
        spec = agent_spec(
            worker,
            AgentOptions(),
            worker_dir=str(worker_dir),
            python=sys.executable,
            in_container=True,
            end_file=str(end_file),
        )
        spec_file = tmp_path / "spec.json"
        spec_file.write_text(json.dumps(spec))
        here.peer.order(str(worker.key), go=True)
        agent = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "hai.agent", str(worker_dir), str(spec_file)), cwd=REPOSITORY
        )
        end = await asyncio.to_thread(here.peer.end_of, str(worker.key))
        await agent.wait()
        said = "\n".join(here.log_lines())
    assert end["exit_code"] == 0
    assert "DONE" in said
    assert "GOT" not in said, said
    assert f"{WRITTEN_MIB} MiB written" in said
    assert json.loads(end_file.read_bytes())["exit_code"] == 0
