"""One worker's container under a launcher: who it runs as, where it stands, and what it is not
given."""

import asyncio
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from hai.core.images import Image
from hai.core.mounts import Mount, MountKind
from hai.core.task import WorkerKey
from hai.core.types import TaskId
from hai.errors import PlatformError, Unavailable
from hai.launcher.docker.launcher import START_SECONDS, DockerLauncher
from hai.ports import WorkerLaunch, WorkerPhase
from tests.docker.containers import Containers
from tests.docker.engine import IMAGE, PrivateEngine
from tests.workers import UID

KEY = WorkerKey(TaskId(7), 1, 0)
_WHO = "import os\nprint(os.getuid(), os.getgid(), os.getgroups(), os.access('/root', os.W_OK))\n"


async def ran(here: Containers, text: str, **more: object) -> str:
    """The log of a program of one worker that ends by itself."""
    here.peer.order(str(KEY), go=True)
    await here.launcher.launch(here.launch_of(here.script("run.py", text), KEY, **more))
    end = await here.until(KEY, WorkerPhase.EXITED)
    said = here.text(KEY)
    assert end.exit_code == 0, (end, said)
    return said


async def test_groups_and_account_of_the_user(engine: PrivateEngine) -> None:
    async with Containers(engine) as here:
        said = await ran(here, _WHO, gid=70001, groups=(70002, 70003))
        assert said == f"{UID} 70001 [70001, 70002, 70003] False"
        folder = here.folder / "logs" / "7" / "1"
        assert (folder.stat().st_uid, folder.stat().st_gid) == (UID, os.getgid())


async def test_a_users_own_image_runs_nothing_as_root(engine: PrivateEngine) -> None:
    async with Containers(engine) as here:
        own = Image(IMAGE, IMAGE)
        text = f"{_WHO}print(open('/proc/1/status').read().split('Uid:')[1].split()[0])"
        said = await ran(here, text, image=own, gid=70001, groups=(70002,))
        assert said.splitlines()[0] == f"{UID} 70001 [70001, 70002] False"
        assert said.splitlines()[1] == str(UID)


async def test_capabilities_by_quota(engine: PrivateEngine) -> None:
    text = "print([l.split()[1] for l in open('/proc/self/status') if l.startswith('CapEff')])"
    async with Containers(engine) as here:
        said = await ran(here, text, capabilities=frozenset({"IPC_LOCK"}))
        assert int(said.strip("[]'"), 16) == 1 << 14


async def test_read_only_mounts_and_variables(engine: PrivateEngine, tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    (tmp_path / "inner").mkdir()
    mount = Mount("ro", MountKind.HOST_PATH, str(tmp_path), "/data", True, sub_path="inner")
    image = Image("row", IMAGE, {"FLAVOUR": "vanilla"})
    text = "import os\ntry: open('/data/x', 'w')\nexcept OSError as e: print(e.strerror)\n"
    async with Containers(engine) as here:
        said = await ran(here, f"{text}print(os.environ['FLAVOUR'])", mounts=(mount,), image=image)
        assert said == "Read-only file system\nvanilla"


async def test_a_mount_that_is_not_there_is_said(engine: PrivateEngine) -> None:
    async with Containers(engine) as here:
        mount = Mount("gone", MountKind.HOST_PATH, "/no/such/folder", "/data")
        worker = here.launch_of(here.script("run.py", ""), KEY, mounts=(mount,))
        with pytest.raises(PlatformError, match="/no/such/folder"):
            await here.launcher.launch(worker)


async def test_the_hosts_network(engine: PrivateEngine) -> None:
    """The server is at this machine's own address there, and so are the ranks."""
    interfaces = "import os\nprint(sorted(os.listdir('/sys/class/net')), os.environ['MASTER_ADDR'])"
    async with Containers(engine, network="host") as here:
        said = await ran(here, interfaces)
        assert "eth0" in said
        assert "docker0" in said  # of the engine's machine
        networks = [one["Name"] for one in engine.ask("/networks")]
        assert sorted(networks) == ["bridge", "host", "none"]


async def test_an_engine_without_addresses_for_one_more(engine: PrivateEngine) -> None:
    made = []
    try:
        for number in range(64):
            answer = engine.call("POST", "/networks/create", {"Name": f"filler-{number}"})
            if answer.status != 201:
                break
            made.append(f"filler-{number}")
        async with Containers(engine) as here:
            worker = here.worker(KEY, exit_code=0)
            with pytest.raises(Unavailable, match="no addresses left for another network"):
                await here.launcher.launch(worker)
            held_up = await here.until(KEY, WorkerPhase.PENDING, "no addresses left")
            assert held_up.exit_code is None
            engine.call("DELETE", f"/networks/{made.pop()}")
            await here.launcher.launch(worker)
            await here.until(KEY, WorkerPhase.EXITED)
            assert here.starts(KEY) == 1
    finally:
        for name in made:
            engine.call("DELETE", f"/networks/{name}")


async def test_what_a_crash_left_is_taken_up_or_removed(engine: PrivateEngine) -> None:
    """A worker that was made and not started is started; a network of nobody goes."""
    async with Containers(engine) as here:
        platform = (here.folder / "data" / "docker" / "platform").read_text()
        labels = {"hai.platform": platform, "hai.task": "9", "hai.attempt": "1"}
        nobodys = f"hai-{platform}-9-1"
        answer = engine.call("POST", "/networks/create", {"Name": nobodys, "Labels": labels})
        assert answer.status == 201, answer.text
        worker = here.worker(KEY, exit_code=0)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(here.launcher, "_start", _crash)
            with pytest.raises(RuntimeError, match="crash"):
                await here.launcher.launch(worker)
        after = await here.successor()
        assert nobodys not in engine.left()
        seen = {one.key: one.phase for one in await after.observe()}
        assert seen == {KEY: WorkerPhase.ALIVE}  # a launch of it is to be expected
        await after.launch(worker)
        await here.until(KEY, WorkerPhase.EXITED)
        assert here.starts(KEY) == 1


async def _crash(*_arguments: object) -> None:
    raise RuntimeError("crash")


def test_a_server_of_another_account_makes_folders_that_only_it_opens(public_dir: Path) -> None:
    """It cannot give them away: the container's user may write, nobody else comes near."""
    if os.geteuid() != 0:
        pytest.skip("needs root to become somebody else")
    public_dir.chmod(0o777)
    code = (
        "import os\n"
        "from types import SimpleNamespace as N\n"
        "from hai.launcher.docker.orders import make_log_folder\n"
        "os.setgroups([]); os.setgid(64322); os.setuid(64322); os.umask(0o022)\n"
        f"root = {str(public_dir / 'logs')!r}\n"
        "outfit = N(logs=N(folders=('7', '1')), account=N(uid=64321))\n"
        "make_log_folder(N(log_dir=root + '/7/1'), N(log_root=root, log_gid=64322), outfit)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[2])
    upper, inner = public_dir / "logs" / "7", public_dir / "logs" / "7" / "1"
    assert (upper.stat().st_uid, upper.stat().st_mode & 0o777) == (64322, 0o750)
    assert inner.stat().st_mode & 0o7777 == 0o2777


async def test_a_network_that_somebody_removed_is_made_again(engine: PrivateEngine) -> None:
    """As docker network prune does while the other ranks of its attempt are not there yet."""
    async with Containers(engine) as here:
        first, second = here.worker(KEY, 0), here.worker(WorkerKey(TaskId(7), 1, 1), exit_code=0)
        await here.launcher.launch(first)
        await here.until(KEY, WorkerPhase.EXITED)
        answer = engine.call("POST", "/networks/prune")
        assert "hai-" in answer.text
        with pytest.raises(Unavailable, match="not found"):
            await here.launcher.launch(second)
        await here.launcher.launch(second)
        await here.until(second.key, WorkerPhase.EXITED)
        assert here.starts(second.key) == 1


async def test_a_launch_that_takes_long_is_no_loss(
    engine: PrivateEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A busy engine needs more than a moment to make a container."""
    async with Containers(engine) as here:
        launcher, goes_on = here.launcher, asyncio.Event()
        assert isinstance(launcher, DockerLauncher)
        make = launcher._make

        async def slowly(worker: WorkerLaunch) -> str | None:
            await goes_on.wait()
            return await make(worker)

        monkeypatch.setattr(launcher, "_make", slowly)
        launch = asyncio.create_task(launcher.launch(here.worker(KEY, exit_code=0)))
        await here.until(KEY, WorkerPhase.ALIVE)
        monkeypatch.setattr(launcher, "_monotonic", lambda: time.monotonic() + 2 * START_SECONDS)
        await here.until(KEY, WorkerPhase.ALIVE)
        goes_on.set()
        await launch
        await here.until(KEY, WorkerPhase.EXITED)
        assert here.starts(KEY) == 1
