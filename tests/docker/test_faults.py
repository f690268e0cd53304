"""What goes wrong on an engine, and what users are told: no task is lost, none runs twice."""

import json
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from signal import SIGKILL, SIGTERM

import pytest

from tests.docker.engine import ARCHIVE, PrivateEngine
from tests.docker.platform import DockerPlatform
from tests.waiting import wait_until

pytestmark = pytest.mark.acceptance

_LONG = 180
_TICKS = (
    "import os, time\n"
    "open(f'{os.environ[\"HAI_TASK_ID\"]}.starts', 'a').write(os.environ['HAI_ATTEMPT'] + '\\n')\n"
    "for i in range({seconds} * 10): print('tick', i, flush=True); time.sleep(.1)\n"
)


def ticks(platform: DockerPlatform, seconds: int, name: str = "ticks.py") -> str:
    return platform.script_of(name, _TICKS.replace("{seconds}", str(seconds)))


def starts(platform: DockerPlatform, task: int) -> list[str]:
    return (platform.work_dir / f"{task}.starts").read_text().split()


def test_container_removed_by_hand(platform: DockerPlatform) -> None:
    task = platform.submit("bob", name=ticks(platform, 6))
    platform.wait_text(task, "tick 3")
    name = platform.container_of(task)
    platform.engine.remove(name)
    platform.wait(task, "succeeded", timeout=_LONG)
    assert starts(platform, task) == ["1", "2"]
    assert f"somebody removed its container {name}" in platform.why(task)
    platform.wait_clean()


@pytest.mark.campaign
def test_container_removed_while_there_is_no_server(platform: DockerPlatform) -> None:
    task = platform.submit("bob", name=ticks(platform, 6))
    platform.wait_text(task, "tick 3")
    platform.kill()
    platform.engine.remove(platform.container_of(task))
    platform.start()
    platform.wait(task, "succeeded", timeout=_LONG)
    assert starts(platform, task) == ["1", "2"]
    assert "its container is gone" in platform.why(task)
    platform.wait_clean()


@pytest.fixture
def small_nodes(platform: DockerPlatform) -> Iterator[DockerPlatform]:
    """Of 200 MiB each."""
    total = platform.engine.ask("/info")["MemTotal"] // 2**20
    config = platform.config.read_text()
    small = config.replace("reserve_memory_mib = 0", f"reserve_memory_mib = {total - 400}")
    restart(platform, small)
    wait_until(lambda: sizes(platform) == {200}, what="nodes of 200 MiB")
    yield platform
    restart(platform, config)
    wait_until(lambda: sizes(platform) != {200}, what="whole nodes")


def restart(platform: DockerPlatform, config: str) -> None:
    platform.stop()
    platform.config.write_text(config)
    platform.start()


def sizes(platform: DockerPlatform) -> set[int]:
    return {row["memory_bytes"] >> 20 for row in platform.nodes_now().values()}


def test_out_of_memory_is_said(small_nodes: DockerPlatform) -> None:
    name = small_nodes.script_of(
        "eat.py", "data = []\nwhile True: data.append(bytearray(b'x') * 2**24)\n"
    )
    task = small_nodes.submit("bob", name=name)
    small_nodes.wait(task, "failed", timeout=_LONG)
    assert "out of memory" in small_nodes.why(task)
    assert small_nodes.detail(task)["exit_code"] == 137
    small_nodes.wait_clean()


@pytest.fixture
def registry(engine: PrivateEngine) -> Iterator[str]:
    """One that knows no image, as registries say it."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            known = self.path == "/v2/"
            error = {"code": "MANIFEST_UNKNOWN", "message": "manifest unknown"}
            body = b"{}" if known else json.dumps({"errors": [error]}).encode()
            self.send_response(200 if known else 404)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_HEAD = do_GET

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer((engine.host, 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield f"{engine.host}:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


def image_task(platform: DockerPlatform, image: str) -> int:
    resource = {"group": "training", "node_count": 1, "image": image}
    return platform.submit("bob", name=ticks(platform, 1), resource=resource)


def test_image_that_does_not_exist(platform: DockerPlatform, registry: str) -> None:
    image = f"{registry}/nothing/here:1"
    task = image_task(platform, image)
    platform.wait(task, "failed", timeout=_LONG)
    assert platform.detail(task)["exit_code"] == 126
    assert f"cannot start: image {image} cannot be pulled" in platform.why(task)
    platform.wait_clean()


def test_image_without_python(platform: DockerPlatform, engine: PrivateEngine) -> None:
    engine.load(ARCHIVE.with_name("busybox.tar"))
    task = image_task(platform, "local/busybox:1")
    platform.wait(task, "failed", timeout=_LONG)
    assert platform.detail(task)["exit_code"] == 126
    assert "python3" in platform.why(task)
    platform.wait_clean()


def test_registry_that_cannot_be_reached_holds_a_task_up(platform: DockerPlatform) -> None:
    image = "localhost:1/nothing/here:1"
    task = image_task(platform, image)
    platform.wait_why(task, f"image {image} cannot be pulled")
    assert platform.detail(task)["state"] == "starting"
    platform.stop_task(task)
    platform.wait_clean()


@pytest.mark.campaign
def test_engine_stopped_under_load(platform: DockerPlatform) -> None:
    """It asks its containers to leave, which is a notice: they save, and go on afterwards."""
    parameters = "--epochs 16 --step-seconds 0.02 --checkpoint d.npz"
    task = platform.submit("bob", name="digits.py", nodes=2, parameters=parameters)
    platform.wait_text(task, "epoch   2")
    platform.engine.end(SIGTERM)
    platform.engine.start()
    platform.wait(task, "succeeded", timeout=_LONG)
    assert platform.detail(task)["attempts"] == 2, platform.why(task)
    assert "suspended" in platform.events(task)
    assert "was told to stop, and not by the platform" in " ".join(platform.reasons(task))
    assert "resumed from" in platform.text(task)
    platform.wait_clean()


def test_container_stopped_by_hand(platform: DockerPlatform) -> None:
    """docker stop is a notice as well: the task saves, and goes on."""
    parameters = "--epochs 16 --step-seconds 0.02 --checkpoint e.npz"
    task = platform.submit("bob", name="digits.py", parameters=parameters)
    platform.wait_text(task, "epoch   2")
    answer = platform.engine.call("POST", f"/containers/{platform.container_of(task)}/stop")
    assert answer.status in (204, 404), answer.text  # 404: it was gone before the engine looked
    platform.wait(task, "succeeded", timeout=_LONG)
    assert platform.detail(task)["attempts"] == 2, platform.why(task)
    assert "suspended" in platform.events(task)
    assert "resumed from" in platform.text(task)
    platform.wait_clean()


def test_engine_killed_under_load(platform: DockerPlatform) -> None:
    """What became of its containers depends on the engine; each task ends whole, and what had to
    begin again says why."""
    task = platform.submit("bob", name=ticks(platform, 15))
    platform.wait_text(task, "tick 3")
    platform.engine.end(SIGKILL)
    platform.engine.start()
    platform.wait(task, "succeeded", timeout=_LONG)
    ran = starts(platform, task)
    assert ran in (["1"], ["1", "2"]), platform.why(task)
    assert "tick 149" in platform.text(task)
    if ran == ["1", "2"]:
        assert "the Docker engine was restarted" in platform.why(task)
    platform.wait_clean()


@pytest.mark.campaign
def test_engine_that_keeps_its_containers_alive(platform: DockerPlatform) -> None:
    platform.engine.end(SIGTERM)
    try:
        platform.engine.settings["live-restore"] = True
        platform.engine.start()
        task = platform.submit("bob", name=ticks(platform, 12))
        platform.wait_text(task, "tick 3")
        platform.engine.end(SIGTERM)
        wait_until(lambda: "launcher_silent" in platform.log(), _LONG, what="a silent launcher")
        platform.engine.start()
        platform.wait(task, "succeeded", timeout=_LONG)
        assert starts(platform, task) == ["1"], platform.why(task)
        assert re.findall(r"tick \d+", platform.text(task)) == [f"tick {i}" for i in range(120)]
        platform.wait_clean()
    finally:
        platform.engine.end(SIGTERM)
        del platform.engine.settings["live-restore"]
        platform.engine.start()
