"""Usage of running tasks, and idle dev containers, with real programs and a real JupyterLab."""

import json
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import httpx2
import pytest
from websockets.sync.client import ClientConnection

from hai.agent.terminals import MARK
from tests.acceptance.conftest import MakeLive
from tests.acceptance.labs import kernel, needs_jupyterlab, opened, printed
from tests.acceptance.person import Person
from tests.live import Live
from tests.waiting import wait_until

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(580)]
IDLE_SECONDS = 30


def test_a_training_shows_what_it_uses(live: Live) -> None:
    held = 64 * 2**20
    script = live.script("burn.py", f"kept = bytearray({held})\nwhile True:\n    pass\n")
    task_id = live.submit(name="burn", entrypoint=script.name)
    live.wait(task_id, "running")

    def usage() -> dict[str, float]:
        found: dict[str, float] = live.detail(task_id)["attempt_list"][0]["workers"][0]["usage"]
        return found

    wait_until(lambda: usage().get("cpu_percent", 0.0) > 5, what="CPU in use")
    assert usage()["memory_bytes"] > held
    assert usage()["cpu_seconds"] > 0
    assert live.detail(task_id)["idle"] is None
    shown = Person(live)("status", str(task_id)).out
    assert "cpu " in shown
    assert "mem " in shown


def busy_text(live: Live, task_id: int) -> str:
    return str((live.detail(task_id)["idle"] or {}).get("text"))


@contextmanager
def tab(person: Person, name: str, code: str) -> Iterator[ClientConnection]:
    """A browser's tab on a new kernel that was given the code, its WebSocket open."""
    with (
        opened(person, name) as url,
        httpx2.Client(timeout=60, follow_redirects=True) as http,
    ):
        base = url.partition("/lab")[0]
        assert http.get(url).status_code == 200
        with kernel(base, http, code) as socket:
            printed(socket)
            yield socket


def quiet(live: Live, task_id: int) -> dict[str, float]:
    """Seconds by sign of use; what is unknown counts as 0."""
    told = (live.detail(task_id)["idle"] or {}).get("quiet_seconds", {})
    return {signal: seconds or 0.0 for signal, seconds in told.items()}


@needs_jupyterlab
def test_a_busy_kernel_keeps_it_and_an_open_tab_does_not(make_live: MakeLive) -> None:
    """Over a crash of the server as well; the line in the log, and that it goes on as it was."""
    live = make_live(settings={"HAI_JUPYTER__IDLE_SECONDS": "0"})
    person = Person(live)
    refused = person("dev", "start", "lab", "--idle", "8d")
    assert refused.code == 2, refused.err
    assert "more than the 7d" in refused.err
    assert person("dev", "start", "lab", "--py-venv", sys.prefix).code == 0
    task_id = json.loads(person("dev", "list", "-o", "json").out)[0]["id"]
    free = live.work_dir / "free"
    work = f"import os, time\nprint('ready', flush=True)\nwhile not os.path.exists({str(free)!r}):"
    with tab(person, "lab", work + "\n    time.sleep(0.2)"):
        assert live.detail(task_id)["idle"]["text"] == "never suspended for being idle"
    live.kill()
    live.settings = {"HAI_JUPYTER__IDLE_SECONDS": str(IDLE_SECONDS)}
    live.start()

    def others_are_quiet() -> bool:
        told = quiet(live, task_id)
        return min(told.get(signal, 0.0) for signal in ("cpu", "input")) > IDLE_SECONDS + 15

    wait_until(others_are_quiet, 240, what="quiet but for the kernel")
    assert live.detail(task_id)["state"] == "running"
    wait_until(lambda: "in use (kernels)" in busy_text(live, task_id), what="a busy kernel")
    assert "idle" not in live.events(task_id)
    with tab(person, "lab", "print('still here')"):
        free.touch()
        live.wait(task_id, "suspended", timeout=240)
    gone = live.detail(task_id)
    assert gone["held"] is True
    assert "`hai-cli dev start lab` goes on as it was" in gone["why"]
    kinds = [kind for kind in live.events(task_id) if kind in ("idle_notice", "used", "idle")]
    assert kinds[-2:] == ["idle_notice", "idle"]
    assert "[hai] this dev container is idle" in live.text(task_id)
    told = person("dev", "open", "lab", "--no-browser")
    assert told.code == 6
    assert "hai-cli dev start lab" in told.err
    again = person("dev", "start", "lab")
    assert again.code == 0, again.err
    assert live.wait(task_id, "running")["attempts"] == 2, "the same task, as it was"


@needs_jupyterlab
def test_its_use_is_shown_and_more_time_is_given(live: Live) -> None:
    person = Person(live)
    assert person("dev", "start", "lab", "--py-venv", sys.prefix).code == 0
    task_id = json.loads(person("dev", "list", "-o", "json").out)[0]["id"]
    wait_until(lambda: "in use" in busy_text(live, task_id), what="signs of use", timeout=120)
    shown = person("status", str(task_id)).out
    assert "terminal input: " in shown
    assert re.search(r"(in use \(.*|idle for .*); suspended (in|after) \d+ h", shown), shown
    assert re.search("suspended (in|after)", person("dev", "list", "--no-trunc").out)
    assert re.search("idleness: (in use|idle)", person("why", str(task_id)).out)
    typed = live.data_dir / "workers" / f"{task_id}.1.0" / "control" / MARK
    assert not typed.exists()
    assert person("shell", str(task_id), "--", "cat", stdin=b"typed").out == "typed"
    assert typed.exists(), "what came through the shell is terminal input"
    longer = person("dev", "extend", "lab", "24h")
    assert longer.code == 0, longer.err
    assert live.detail(task_id)["idle"]["extended_until"] is not None
    assert person("dev", "extend", "lab", "9d").code == 2
    again = person("dev", "restart", "lab")
    assert again.code == 0, again.err
    wait_until(lambda: live.detail(task_id)["attempts"] == 2, what="another attempt", timeout=120)
    live.wait(task_id, "running", timeout=120)
    assert person("dev", "stop", "lab").code == 0
    live.wait(task_id, "stopped")
    assert person("dev", "restart", "lab").code == 6
    assert person("dev", "extend", "lab").code == 6
