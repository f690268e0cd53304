"""A running hai-studio before a platform, and how a person logs in there."""

import os
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from tests.acceptance.browser import Page
from tests.live import REPOSITORY, Live, free_port
from tests.waiting import PATIENCE_SECONDS, wait_until


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


async def log_in(page: Page, studio: Studio, user: str, token: str) -> None:
    await page.open(studio.url)
    await page.has("input[name=token]")
    await page.fill("input[name=user]", user)
    await page.fill("input[name=token]", token)
    await page.click("button")
