"""One visitor's dashboard: a process of its own that holds that user's token and nothing else.

The token goes through a pipe that only this process inherits: not into its command line, and not
into its environment. It sees no files of the server's account worth having: its home is nowhere.
"""

import asyncio
import json
import os
import signal
import sys
from asyncio.subprocess import Process
from collections.abc import Awaitable, Callable
from contextlib import suppress

from textual_serve.app_service import AppService
from textual_serve.download_manager import DownloadManager

LEAVE_SECONDS = 3.0
_KEPT = ("PATH", "PYTHONPATH", "LD_LIBRARY_PATH", "SSL_CERT_FILE", "SSL_CERT_DIR")


class Visitor(AppService):
    """textual-serve's protocol around a process that is started our way."""

    def __init__(
        self,
        *,
        server_url: str,
        token: str,
        read_only: bool,
        account: int | None,
        write_bytes: Callable[[bytes], Awaitable[None]],
        close: Callable[[], Awaitable[None]],
    ) -> None:
        super().__init__(
            "",
            write_bytes=write_bytes,
            write_str=_ignore,
            close=close,
            download_manager=DownloadManager(),
        )
        self._server_url = server_url
        self._token = token
        self._read_only = read_only
        self._account = account

    def _build_environment(self, width: int = 80, height: int = 24) -> dict[str, str]:
        kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
        return {
            **kept,
            "HOME": "/nonexistent",
            "LANG": "C.UTF-8",
            "TEXTUAL_DRIVER": "textual.drivers.web_driver:WebDriver",
            "TEXTUAL_COLOR_SYSTEM": "truecolor",
            "TERM_PROGRAM": "textual",
            "COLUMNS": str(width),
            "ROWS": str(height),
            "HAI_STUDIO_SERVER": self._server_url,
            "HAI_STUDIO_READ_ONLY": "1" if self._read_only else "0",
        }

    async def _open_app_process(self, width: int = 80, height: int = 24) -> Process:
        reading, writing = os.pipe()
        try:
            environment = self._build_environment(width, height)
            environment["HAI_TOKEN_PIPE"] = str(reading)
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-P",
                "-m",
                "hai.tui.main",
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                env=environment,
                cwd="/",
                pass_fds=(reading,),
                start_new_session=True,
                user=self._account,
                group=self._account,
                extra_groups=None if self._account is None else [],
            )
            os.write(writing, self._token.encode())
        finally:
            os.close(reading)
            os.close(writing)
        self._process = process
        self._stdin = process.stdin
        return process

    async def leave(self) -> None:
        """Let the dashboard go; it is killed when it does not."""
        process = self._process
        if process is None:
            return
        with suppress(TimeoutError, ConnectionError, RuntimeError):
            async with asyncio.timeout(LEAVE_SECONDS):
                await self.stop()
                await process.wait()
        if process.returncode is None:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()

    async def on_meta(self, data: bytes) -> None:
        """Only its end is of interest: it opens no pages and delivers no files."""
        if json.loads(data).get("type") == "exit":
            await self.remote_close()

    async def on_packed(self, payload: bytes) -> None:
        """It delivers no files."""


async def _ignore(_text: str) -> None:
    """Nothing but the terminal's bytes goes to the browser."""
