"""GPUs: counted by the driver's library, given out by number, and seen by nobody else."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from hai.core.task import WorkerKey
from hai.core.types import TaskId
from hai.errors import PlatformError
from hai.launcher.docker.gpus import LIBRARY, count_gpus
from hai.ports import WorkerPhase
from tests.docker.containers import Containers
from tests.docker.engine import PrivateEngine
from tests.docker.platform import start_platform
from tests.waiting import wait_until

_FAKE = """
int nvmlInit_v2(void) { return %d; }
int nvmlShutdown(void) { return 0; }
int nvmlDeviceGetCount_v2(unsigned *count) { *count = %d; return 0; }
const char *nvmlErrorString(int status) { return status == 999 ? "driver mismatch" : "?"; }
"""


def fake_nvml(folder: Path, count: int, status: int = 0) -> Path:
    """The driver's library, of a machine with so many GPUs."""
    if shutil.which("gcc") is None and not os.environ.get("CI"):
        pytest.skip("gcc is missing")
    source = folder / "nvml.c"
    source.write_text(_FAKE % (status, count))
    library = folder / LIBRARY
    subprocess.run(["gcc", "-shared", "-fPIC", "-o", library, source], check=True)
    return library


def test_the_drivers_library_is_asked(tmp_path: Path) -> None:
    assert count_gpus(str(fake_nvml(tmp_path, 8))) == 8
    assert count_gpus(str(tmp_path / "no.so")) == 0


def test_a_driver_that_does_not_work_is_said(tmp_path: Path) -> None:
    with pytest.raises(PlatformError, match="driver mismatch"):
        count_gpus(str(fake_nvml(tmp_path, 8, status=999)))


@pytest.fixture
def library(public_dir: Path) -> Path:
    folder = public_dir / "nvml"
    folder.mkdir()
    return fake_nvml(folder, 6)


async def test_each_node_gets_its_own(engine: PrivateEngine, tmp_path: Path) -> None:
    async with Containers(engine, gpus=6, nodes=3) as here:
        said = {}
        for rank in range(3):
            key = WorkerKey(TaskId(9), 1, rank)
            name = here.script(
                "see.py",
                "import os\nfor n in ('NVIDIA', 'CUDA'): print(os.environ[n + '_VISIBLE_DEVICES'])",
            )
            here.peer.order(str(key), go=True)
            await here.launcher.launch(here.launch_of(name, key))
        for rank in range(3):
            key = WorkerKey(TaskId(9), 1, rank)
            await here.until(key, WorkerPhase.EXITED)
            said[rank] = here.text(key).split()
    assert {rank: words[0] for rank, words in said.items()} == {0: "0,1", 1: "2,3", 2: "4,5"}


async def test_without_gpus_none_is_seen(engine: PrivateEngine) -> None:
    async with Containers(engine) as here:
        key = WorkerKey(TaskId(9), 1, 0)
        name = here.script("see.py", "import os\nprint(os.environ['NVIDIA_VISIBLE_DEVICES'])")
        here.peer.order(str(key), go=True)
        await here.launcher.launch(here.launch_of(name, key))
        await here.until(key, WorkerPhase.EXITED)
        assert here.text(key) == "void"


@pytest.mark.acceptance
def test_nodes_are_shares_of_the_machine(
    engine: PrivateEngine, public_dir: Path, postgres_url: str, library: Path
) -> None:
    """Of two nodes with four GPUs each, the machine's six carry the first."""
    docker = "node_gpus = 4\nreserve_cpus = 0.5\nnode_prefix = 'gpu'"
    platform = start_platform(
        public_dir / "site", postgres_url, engine, docker, LD_LIBRARY_PATH=str(library.parent)
    )
    try:
        whole = engine.ask("/info")
        wait_until(
            lambda: platform.nodes_now()["gpu-02"]["health"] == "down", what="a node without GPUs"
        )
        nodes = platform.nodes_now()
        assert [(name, row["gpus"]) for name, row in nodes.items()] == [
            ("gpu-01", 4),
            ("gpu-02", 4),
        ]
        assert nodes["gpu-01"]["health"] == "ready"
        assert "the machine has 6" in nodes["gpu-02"]["health_why"]
        assert nodes["gpu-01"]["cpus"] == round((whole["NCPU"] - 0.5) / 2, 2)
        assert nodes["gpu-01"]["memory_bytes"] == (whole["MemTotal"] - 512 * 2**20) // 2
        with platform.client() as admin:
            admin.post("/nodes/gpu-01/cordon").raise_for_status()
        wait_until(lambda: platform.nodes_now()["gpu-01"]["health"] == "cordoned", what="a cordon")
    finally:
        platform.close()
