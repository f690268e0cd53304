"""Dev containers in Studio, by a person with a browser: started, opened, stopped, started again and
removed, with what that person may do and no more."""

import sys
from collections.abc import Iterator
from typing import Any

import pytest

from tests.acceptance.browser import Page
from tests.acceptance.conftest import MakeLive
from tests.acceptance.door_site import ECHO, door_settings
from tests.acceptance.shared_site import STAND_IN, SharedLive, make_env
from tests.acceptance.studio_site import Studio, fill, log_in, running_studio, shows
from tests.live import Live, free_port
from tests.waiting import async_wait_until

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(400)]
LATE = "import os, time\nwhile not os.path.exists('go'):\n    time.sleep(0.1)\n"
HOSTILE = "<img src=x onerror=hacked=1>"


@pytest.fixture
def live(make_live: MakeLive) -> Live:
    settings = {**door_settings(), "HAI_JUPYTER__SHARED_NODE_GROUP_PREFIX": "shared_"}
    live = make_live(kind=SharedLive, nodes=1, settings=settings)
    make_env(live, "env", STAND_IN)
    return live


@pytest.fixture
def studio(live: Live) -> Iterator[Studio]:
    with running_studio(live) as found:
        yield found


def containers(live: Live, user: str = "root") -> list[dict[str, Any]]:
    with live.client(user) as client:
        answer = client.get("/tasks", params={"task_type": "jupyter", "page_size": 100})
    found: list[dict[str, Any]] = answer.json()["tasks"]
    return found


async def press(page: Page, card: str, button: str) -> None:
    """A button of one container, as soon as it is there. The list may change meanwhile."""
    script = (
        f"(() => {{ const found = [...document.querySelectorAll('{card} button')]"
        f".find(one => one.innerText === {button!r}); found?.click(); return !!found; }})()"
    )

    async def is_pressed() -> bool:
        return bool(await page.run(script, by_hand=True))

    await async_wait_until(is_pressed, what=f"the button {button}")


async def opened(page: Page, studio: Studio, user: str = "root") -> None:
    await log_in(page, studio, user, studio.live.tokens[user])
    await page.has("#bar a[href='/containers']")
    await page.open(f"{studio.url}/containers")
    await page.has("#start")


def record_environment(live: Live) -> None:
    """A task that had the environment `vision` and is over."""
    recorded = {"name": "vision", "owner": "root", "identity": "3fa4c0ffee12", "follow": True}
    document = {
        "version": 2,
        "name": "before",
        "spec": {"entrypoint": "none.py"},
        "resource": {"group": "training", "node_count": 1},
        "options": {"py_venv": str(live.work_dir / "env"), "environment": recorded},
    }
    with live.client() as client:
        task = client.post("/tasks", json=document).json()["id"]
        assert client.post(f"/tasks/{task}/stop").status_code == 200
    live.wait(task, "stopped")


async def test_a_container_lives_in_the_browser(live: Live, studio: Studio, page: Page) -> None:
    record_environment(live)
    await opened(page, studio)
    await shows(page, "You have no dev containers")
    await shows(page, "shared nodes: 4 cpus, 8 GiB of memory and 0 GPUs free in all")
    await shows(page, "whole nodes: 1 of 1 free")
    await start_by_form(page, live)
    task = containers(live)[0]["id"]
    card = f"#c-{task}"
    await looks_right(page, card)
    await is_opened(page, live, card)
    await is_kept_and_restarted(page, live, card, task)
    await press(page, card, "Stop")
    await shows(page, "stopped", f"document.querySelector('{card} .state')")
    await press(page, card, "Start again")
    await shows(page, "running", "document.querySelector('article .state')")
    again = next(one for one in containers(live) if one["id"] != task)
    assert (again["asks"]["cpu"], again["name"]) == (1, HOSTILE)
    await press(page, f"#c-{again['id']}", "Stop")
    await press(page, f"#c-{again['id']}", "Remove")
    await shows(page, "You have no dev containers")
    assert page.refused == []
    assert not [url for url in page.urls if live.tokens["root"] in url]


async def start_by_form(page: Page, live: Live) -> None:
    """After tries that cannot be, which change nothing."""
    script, port = live.script("late.py", LATE + ECHO), free_port()
    web = f"web:{port}={sys.executable} {script} {port}"
    await fill(page, name=HOSTILE, group="shared_cpu", cpu="1", memory="1G", services=web)
    await fill(page, folder=str(live.work_dir), environment="unused")
    await page.click("#start button")
    await shows(page, "none of your last tasks had an environment 'unused'")
    await shows(page, "`haienv path unused` prints")
    assert await page.run("document.querySelector('#start [name=environment]').value") == "unused"
    offered = "[...document.querySelectorAll('#environments option')].map(one => one.value)"
    assert await page.run(offered) == ["vision[root] 3fa4c0ffee12, follows"]
    await fill(page, environment="vision", memory="lots")
    await page.click("#start button")
    await shows(page, "memory 'lots' is no size")
    await shows(page, "for example memory 32G")
    assert containers(live) == [], "wrong input changes nothing"
    assert await page.run("document.querySelector('#start [name=services]').value") == web
    await fill(page, memory="9G")
    await page.click("#start button")
    await shows(page, "no node of shared_cpu has more than 8 GiB of memory")
    assert containers(live) == [], "what the server refuses changes nothing"
    await fill(page, memory="1G")
    await page.click("#start button")
    await page.has("article")


async def looks_right(page: Page, card: str) -> None:
    """Who it is, what it has, what is left, how long it may be idle; its name is no markup."""
    await shows(page, HOSTILE, f"document.querySelector('{card} h3')")
    await shows(page, "running", f"document.querySelector('{card} .state')")
    await shows(page, "1 cpu, 1 GiB of memory and 0 GPUs", f"document.querySelector('{card}')")
    await shows(page, "shared nodes: 3 cpus, 7 GiB of memory")
    await shows(page, "suspended", f"document.querySelector('{card} .use')")
    await shows(page, "CPU: ", f"document.querySelector('{card} .signs')")
    assert await page.run("typeof hacked") == "undefined"


async def is_opened(page: Page, live: Live, card: str) -> None:
    """In a tab of its own, which waits until the service answers."""
    tab = page.session_id
    await press(page, f"{card} .services", "Open")
    await page.attach("/open")
    await shows(page, "web does not answer yet")
    (live.work_dir / "go").touch()
    await page.attach(".apps.localhost:")
    await shows(page, "hello")
    assert await page.run("location.pathname + location.search") == "/"
    page.session_id = tab


async def is_kept_and_restarted(page: Page, live: Live, card: str, task: int) -> None:
    for time, told in (("soon", "'soon' is no time"), ("20h", "as somebody asked for more time")):
        box = f"document.querySelector('{card} [name=time]')"
        await page.run(f"{box}.value = {time!r}; {box}.form.querySelector('button').click()")
        await shows(page, told)
    await press(page, card, "Restart")
    await async_wait_until(lambda: live.detail(task)["attempts"] == 2, what="the next attempt")
    await async_wait_until(lambda: "up" in live.text(task), what="its output")
    await shows(page, "running", f"document.querySelector('{card} .state')")
    await page.click(f"{card} .verbs a")
    await shows(page, "up", "document.querySelector('pre')")
    await page.click("#bar a[href='/containers']")
    await page.has(card)
