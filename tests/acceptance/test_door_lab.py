"""A person with a browser at the door: JupyterLab of a dev container, and a hostile page."""

import base64
import importlib.util
import json
import os
import sys
from typing import Any

import pytest

from tests.acceptance.browser import Page
from tests.acceptance.conftest import MakeLive
from tests.acceptance.door_site import Site, door_settings, echo_site
from tests.acceptance.person import Person
from tests.live import Live, free_port
from tests.waiting import async_wait_until

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(400)]
needs_lab = pytest.mark.skipif(
    importlib.util.find_spec("jupyterlab") is None, reason="needs JupyterLab (the extra dev)"
)
LONG_SECONDS = 120.0  # for JupyterLab's first page on a busy machine


async def value_of(page: Page, script: str) -> Any:
    """What a promise of the page comes to."""
    found = await page.evaluate(script, awaitPromise=True)
    assert "exceptionDetails" not in found, found
    return found["result"].get("value")


async def shows(page: Page, script: str, what: str) -> None:
    async def is_so() -> bool:
        return bool(await page.run(script))

    await async_wait_until(is_so, LONG_SECONDS, what=what)


CELLS = "[...document.querySelectorAll('.jp-Notebook .jp-CodeCell')]"
EDITOR = f"{CELLS}.at(-1)?.querySelector('.cm-content')"
OUTPUTS = "[...document.querySelectorAll('.jp-OutputArea-output')].map(e => e.innerText)"
STATUS = "document.querySelector('.jp-Notebook-ExecutionIndicator')?.dataset.status"
IDLE = f"{STATUS} === 'idle'"
CONNECTED = f"['idle', 'unknown'].includes({STATUS})"  # again: until the kernel says something
ANSWER = """(() => {
  const dialog = document.querySelector('.jp-Dialog');
  const kernels = dialog?.querySelector('select');
  if (kernels) {
    const python = [...kernels.options].findIndex(one => one.text.startsWith('Python'));
    if (python < 0) return;
    kernels.selectedIndex = python;
  }
  dialog?.querySelector('.jp-mod-accept')?.click();
})()"""  # its list of kernels starts with none at all: accepted at once, it would end ours
SEEN = "document.querySelector('.jp-NotebookPanel')?.innerText"


async def run_cell(page: Page, code: str, wanted: str, status: str = IDLE) -> None:
    """In the notebook's last cell, by somebody who looks at what comes of it: a notebook that is
    busy with itself takes no keys, and one that is read again drops what was typed before."""
    await shows(page, status, "a kernel")
    typed = f"{CELLS}.find(c => c.innerText.includes({code!r}))"

    async def is_shown() -> bool:
        if await page.run(f"{OUTPUTS}.some(t => t.includes({wanted!r}))"):
            return True
        await page.run(ANSWER)
        if not await page.run(f"Boolean({typed})"):
            await type_code(page, code)
        elif await page.run(
            f"{typed}?.querySelector('.jp-InputPrompt').innerText.trim() === '[ ]:'"
        ):
            await page.run(f"{typed}?.querySelector('.cm-content').focus()")
            await press_shift_enter(page)
        return False

    try:
        await async_wait_until(is_shown, LONG_SECONDS, what=f"{wanted} below the cell")
    except AssertionError as late:
        late.add_note(f"The notebook showed: {await page.run(SEEN)}")
        raise


async def type_code(page: Page, code: str) -> None:
    await page.run(f"{EDITOR}?.focus()")
    if await page.run(f"{EDITOR}?.innerText.trim() === ''"):
        await page.ask("Input.insertText", text=code)


async def press_shift_enter(page: Page) -> None:
    enter = {"key": "Enter", "code": "Enter", "windowsVirtualKeyCode": 13, "modifiers": 8}
    await page.ask("Input.dispatchKeyEvent", type="keyDown", **enter)
    await page.ask("Input.dispatchKeyEvent", type="keyUp", **enter)
    await value_of(page, "new Promise(done => setTimeout(done, 1500))")  # the notebook's time


@needs_lab
async def test_a_lab_is_opened_used_and_outlives_the_server(
    make_live: MakeLive, page: Page
) -> None:
    live = make_live(settings=door_settings())
    person = Person(live)
    assert person("dev", "start", "lab", "--py-venv", sys.prefix).code == 0
    opened = person("dev", "open", "lab", "--print", "--timeout", "50s")
    assert opened.code == 0, opened.err
    link = opened.out.strip()
    assert ".apps.localhost:" in link
    assert live.tokens["root"] not in link
    await page.open(link)
    await shows(page, "document.querySelector('.jp-LauncherCard') !== null", "the launcher")
    assert "code=" not in await page.run("location.href")
    await page.click(".jp-LauncherCard[data-category=Notebook]")
    await shows(page, "document.querySelector('.jp-Notebook .cm-content') !== null", "a notebook")
    await run_cell(page, "kept = 6 * 7; print('first', kept)", "first 42")
    data = os.urandom(3 * 2**20)
    put = await value_of(
        page,
        "fetch('/api/contents/up.bin', {method: 'PUT', body: JSON.stringify({type: 'file', "
        f"format: 'base64', content: {base64.b64encode(data).decode()!r}}})}}).then(r => r.status)",
    )
    assert put == 201
    assert (live.work_dir / "up.bin").read_bytes() == data
    live.kill()
    gone = "fetch('/api/status').then(() => false, () => true)"
    assert await value_of(page, gone)
    live.start()
    await run_cell(page, "print('second', kept)", "second 42", CONNECTED)
    assert not [one for one in page.urls if "token=" in one]


@pytest.fixture(params=["names", "ports"])
def door_live(request: pytest.FixtureRequest, make_live: MakeLive) -> Live:
    first = min(free_port(), 65_500)
    ports = {"HAI_DOOR__PORTS": f"{first}-{first + 20}"}
    return make_live(settings=door_settings() if request.param == "names" else ports)


HOSTILE = """
(async () => {
  const found = [];
  const tried = async (name, work) => {
    try { found.push(name + ": " + await work()); } catch (error) { found.push(name + ": no"); }
  };
  const own = {credentials: "include"};
  for (const [name, url] of [["door", THERE + "/page"], ["api", API + "/api/v1/whoami"]]) {
    await tried(name + " read", async () => (await fetch(url, own)).text());
    await tried(name + " write", async () => (await fetch(url, {...own, method: "POST",
      headers: {"content-type": "application/json"}, body: "{}"})).text());
    await tried(name + " blind", async () => (await fetch(url, {...own, mode: "no-cors"})).text());
    await tried(name + " frame", () => new Promise((yes, no) => {
      const frame = document.createElement("iframe");
      frame.onload = () => {
        try { yes(frame.contentWindow.document.body.innerText); } catch (error) { no(error); }
      };
      frame.src = url;
      document.body.append(frame);
    }));
  }
  await tried("socket", () => new Promise((yes, no) => {
    const socket = new WebSocket(THERE.replace("http", "ws") + "/ws");
    socket.onmessage = (message) => yes(message.data);
    socket.onerror = no;
  }));
  await tried("cookie", async () => document.cookie.includes("hai_door") ? document.cookie : "");
  return found;
})()
"""


async def test_a_hostile_page_is_no_visitor(door_live: Live, page: Page) -> None:
    mine, evil = echo_site(door_live, "mine.py"), echo_site(door_live, "evil.py")
    for site in (mine, evil):
        await page.open(site.link())
        assert await page.run("document.body.innerText") == "hello"
    await page.open(await origin_of(page, mine) + "/page")
    assert await page.run("document.body.innerText") == "hello", "the visitor is welcome at both"
    there = await page.run("location.origin")
    own = await value_of(page, socket_script(there))
    assert "x-forwarded-host" in own, "a page of its own may"
    await page.open(await origin_of(page, evil) + "/page")
    script = HOSTILE.replace("THERE", json.dumps(there)).replace("API", json.dumps(door_live.url))
    found = await value_of(page, script)
    allowed = {"cookie: ", "door blind: ", "api blind: "}
    told = [one for one in found if not one.endswith(": no") and one not in allowed]
    assert told == []
    assert len(found) == 10


async def origin_of(page: Page, site: Site) -> str:
    """Where the site's visitor is."""
    return site.link().partition("/.hai/")[0]


def socket_script(origin: str) -> str:
    url = json.dumps(origin.replace("http", "ws", 1) + "/ws")
    return (
        f"new Promise((y, n) => {{ const s = new WebSocket({url});"
        " s.onmessage = m => y(m.data); s.onerror = n; })"
    )
