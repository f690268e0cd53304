"""A headless Chromium, driven by its own DevTools protocol: no driver to install."""

import asyncio
import base64
import itertools
import os
import re
import shutil
import signal
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from tests.waiting import PATIENCE_SECONDS, async_wait_until

PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_NO_DOCUMENT = "Cannot find default execution context"
_STYLE = re.compile(rb"\x1b\[[0-9;:?]*[ -/]*[@-~]")


def chromium() -> str | None:
    """The program, where there is one."""
    return next((path for name in PROGRAMS if (path := shutil.which(name))), None)


class RefusedByBrowserError(Exception):
    """What it does not do, and why."""

    def __init__(self, method: str, message: str) -> None:
        super().__init__(method, message)
        self.message = message


@dataclass
class Page:
    """One tab. What came through its sockets and which URLs it asked for is kept."""

    socket: aiohttp.ClientWebSocketResponse
    session_id: str = ""
    urls: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)  # what the content policy stopped
    received: bytearray = field(default_factory=bytearray)
    sockets: int = 0
    _numbers: Any = field(default_factory=lambda: itertools.count(1))
    _answers: dict[int, asyncio.Future[Any]] = field(default_factory=dict)

    async def listen(self) -> None:
        async for message in self.socket:
            answer = message.json()
            if "id" in answer:
                future = self._answers.pop(answer["id"], None)
                if future is not None and not future.done():
                    future.set_result(answer)
            else:
                self._note(answer["method"], answer.get("params", {}))

    def _note(self, method: str, params: dict[str, Any]) -> None:
        if method == "Network.requestWillBeSent":
            self.urls.append(params["request"]["url"])
        elif method == "Network.webSocketCreated":
            self.urls.append(params["url"])
            self.sockets += 1
        elif method == "Network.webSocketFrameReceived":
            frame = params["response"]
            is_binary = frame["opcode"] == 2
            data = frame["payloadData"]
            self.received += base64.b64decode(data) if is_binary else data.encode()
        elif method == "Log.entryAdded" and "Content Security" in params["entry"]["text"]:
            self.refused.append(params["entry"]["text"])

    async def ask(self, method: str, **params: Any) -> Any:
        """Of this tab."""
        return await self._order(self.session_id, method, params)

    async def attach(self, part: str = "") -> None:
        """To the first tab whose address holds this part, as soon as there is one."""
        found: list[str] = []

        async def is_there() -> bool:
            targets = (await self._order("", "Target.getTargets", {}))["targetInfos"]
            pages = (one for one in targets if one["type"] == "page" and part in one["url"])
            found.extend(one["targetId"] for one in pages)
            return bool(found)

        await async_wait_until(is_there, what=f"a tab at {part}")
        wanted = {"targetId": found[0], "flatten": True}
        self.session_id = (await self._order("", "Target.attachToTarget", wanted))["sessionId"]
        await self.ask("Emulation.setFocusEmulationEnabled", enabled=True)
        for domain in ("Page", "Runtime", "Network", "Log"):
            await self.ask(f"{domain}.enable")

    async def _order(self, session_id: str, method: str, params: dict[str, Any]) -> Any:
        number = next(self._numbers)
        future = asyncio.get_running_loop().create_future()
        self._answers[number] = future
        order = {"id": number, "method": method, "params": params}
        if session_id:
            order["sessionId"] = session_id
        await self.socket.send_json(order)
        async with asyncio.timeout(PATIENCE_SECONDS):
            answer = await future
        if "error" in answer:
            raise RefusedByBrowserError(method, answer["error"]["message"])
        return answer.get("result", {})

    async def run(self, script: str, *, by_hand: bool = False) -> Any:
        """The value of a JavaScript expression. `by_hand`: what it does is the person's own doing,
        who may open tabs."""
        found = await self.evaluate(script, userGesture=by_hand)
        return found["result"].get("value")

    async def evaluate(self, script: str, **options: Any) -> Any:
        """In the page's document; while it leaves one for the next, in that."""
        values = {"expression": script, "returnByValue": True, **options}

        async def found() -> Any:
            try:
                return await self.ask("Runtime.evaluate", **values)
            except RefusedByBrowserError as refused:
                if refused.message != _NO_DOCUMENT:
                    raise
                return None

        return await async_wait_until(found, what="a document")

    async def open(self, url: str) -> None:
        await self.ask("Page.navigate", url=url)
        await self.loads()

    async def loads(self) -> None:
        await async_wait_until(
            lambda: self._is("document.readyState === 'complete'"), PATIENCE_SECONDS, what="page"
        )

    async def _is(self, script: str) -> bool:
        return bool(await self.run(script))

    async def has(self, selector: str) -> None:
        await async_wait_until(
            lambda: self._is(f"document.querySelector({selector!r}) !== null"),
            PATIENCE_SECONDS,
            what=selector,
        )

    async def fill(self, selector: str, text: str) -> None:
        await self.run(f"document.querySelector({selector!r}).value = {text!r}")

    async def click(self, selector: str) -> None:
        await self.run(f"document.querySelector({selector!r}).click()")

    async def press(self, *keys: str) -> None:
        """Letters, or names as Enter and Escape, to whatever has the focus."""
        codes = {"Enter": ("\r", 13), "Escape": ("", 27), "Tab": ("\t", 9)}
        for key in keys:
            text, code = codes.get(key, (key, 0))
            event: dict[str, Any] = {"key": key, "windowsVirtualKeyCode": code}
            if len(key) == 1:
                event["text"] = text
            await self.ask("Input.dispatchKeyEvent", type="keyDown", **event)
            await self.ask("Input.dispatchKeyEvent", type="keyUp", key=key)

    async def shows(self, text: str) -> None:
        """Waits until the terminal was sent this text."""
        wanted = text.encode()
        await async_wait_until(
            lambda: wanted in _STYLE.sub(b"", bytes(self.received)),
            PATIENCE_SECONDS,
            what=f"{text!r} in the terminal",
        )

    def forget(self) -> None:
        """What was received so far counts no more."""
        self.received.clear()


@asynccontextmanager
async def tab(program: str) -> AsyncIterator[Page]:
    """A browser with one empty tab; it ends with the context."""
    profile = Path(tempfile.mkdtemp(prefix="hai-chromium-", dir="/tmp"))
    process = await asyncio.create_subprocess_exec(
        program,
        "--headless=new",
        "--no-sandbox",  # the tests may run as root
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--remote-debugging-port=0",
        "--window-size=1200,800",
        f"--user-data-dir={profile}",
        "about:blank",
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
        start_new_session=True,
    )
    port_file = profile / "DevToolsActivePort"
    try:
        await async_wait_until(
            lambda: port_file.exists() and len(port_file.read_text().split()) == 2,
            60,
            what="Chromium",
        )
        port, path = port_file.read_text().split()
        async with (
            aiohttp.ClientSession() as client,
            client.ws_connect(f"ws://127.0.0.1:{port}{path}", max_msg_size=0) as socket,
        ):
            page = Page(socket)
            listening = asyncio.create_task(page.listen())
            await page.attach()
            yield page
            listening.cancel()
            with suppress(asyncio.CancelledError):
                await listening
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
        shutil.rmtree(profile, ignore_errors=True)
