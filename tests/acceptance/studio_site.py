"""A running hai-studio before a platform, how a person logs in there, and what it asks for."""

import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import psutil
from aiohttp import web
from aiohttp.test_utils import TestServer

from tests.acceptance.browser import Page
from tests.live import REPOSITORY, Live, free_port
from tests.waiting import PATIENCE_SECONDS, async_wait_until, wait_until


@dataclass
class Studio:
    """A running hai-studio before the platform."""

    live: Live
    log: Path
    options: tuple[str, ...] = ()
    process: subprocess.Popen[bytes] | None = None
    port: int = field(default_factory=free_port)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        words = ["--server", self.live.url, "--port", str(self.port), *self.options]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "hai.studio.main", *words],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
                start_new_session=True,
            )
        wait_until(lambda: "listening" in self.log.read_text(), what="Studio")

    def dashboards(self) -> list[psutil.Process]:
        assert self.process is not None
        found = []
        for child in psutil.Process(self.process.pid).children(recursive=True):
            try:
                if child.status() != psutil.STATUS_ZOMBIE:
                    found.append(child)
            except psutil.NoSuchProcess:
                continue
        return found

    def close(self) -> None:
        if self.process is not None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(PATIENCE_SECONDS)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
                raise


@contextmanager
def running_studio(live: Live) -> Iterator[Studio]:
    """Before that platform, with its log in the platform's folder."""
    found = Studio(live, live.directory / "studio.log")
    try:
        found.start()
        yield found
    finally:
        found.close()


async def log_in(page: Page, studio: Studio, user: str, token: str) -> None:
    await page.open(studio.url)
    await page.has("input[name=token]")
    await page.fill("input[name=user]", user)
    await page.fill("input[name=token]", token)
    await page.click("button")


async def fill(page: Page, **fields: str) -> None:
    for name, text in fields.items():
        await page.fill(f"#start [name={name}]", text)


async def shows(page: Page, text: str, where: str = "document.body") -> None:
    async def is_so() -> bool:
        return text in (await page.run(f"{where}?.innerText ?? ''"))

    await async_wait_until(is_so, what=f"{text!r} on the page")


@asynccontextmanager
async def relayed(live: Live) -> AsyncIterator[tuple[TestServer, list[str]]]:
    """The platform behind a server that notes which routes it was asked for."""
    asked: list[str] = []
    async with aiohttp.ClientSession() as relay:

        async def passed(request: web.Request) -> web.Response:
            asked.append(request.path.rpartition("/")[2])
            token = {"Authorization": request.headers["Authorization"]}
            url = f"{live.url}{request.path_qs}"
            async with relay.request(request.method, url, headers=token) as reply:
                return web.json_response(await reply.json(), status=reply.status)

        platform = web.Application()
        platform.add_routes([web.get("/{path:.*}", passed)])
        server = TestServer(platform)
        async with server:
            yield server, asked


def lab(name: str) -> dict[str, Any]:
    """A simulated dev container with a service."""
    board = {"name": "board", "port": 6006, "startup_script": "serve"}
    return {
        "version": 2,
        "name": name,
        "task_type": "jupyter",
        "spec": {"entrypoint": "jupyterlab"},
        "resource": {"group": "hollow", "node_count": 1},
        "options": {"simulate": {"seconds": 600.0}},
        "services": [board],
    }
