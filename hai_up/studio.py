"""Studio beside the server: a process of its own, where its extra is installed. The platform runs
without it as well, so nothing here ends a start."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from importlib.util import find_spec

from hai_up.api import is_healthy
from hai_up.config import Options
from hai_up.files import last_lines, read_text, remove_stale, write_private
from hai_up.layout import Layout
from hai_up.plan import url_of
from hai_up.ports import free_port, is_free
from hai_up.process import (
    Process,
    processes_by_command,
    server_environment,
    stop_process,
    wait_until,
)
from hai_up.process import process_of as process_with_pid

READY_SECONDS = 60.0
STOP_SECONDS = 10.0
_ANSWER_SECONDS = 10.0  # for one look, on a machine that is busy
Say = Callable[[str], None]


def is_installed() -> bool:
    return all(find_spec(name) is not None for name in ("aiohttp", "textual_serve"))


def find_studio(layout: Layout) -> Process | None:
    """The Studio of this data folder: by its pid file or, if that is lost, by its command line."""
    text = read_text(layout.studio_pid)
    if text is not None:
        with suppress(ValueError, TypeError):
            process = Process(**json.loads(text))
            if process.is_alive():
                return process
    return next(processes_by_command(layout, ["--owner", os.fspath(layout.root)]), None)


def ensure_studio(layout: Layout, options: Options, server_url: str, say: Say) -> int:
    """Start it unless it runs or is not wanted; the port of one that was started, else 0."""
    if not options.studio:
        stop_studio(layout)
        return 0
    if find_studio(layout) is not None or not is_installed():
        return 0
    port = options.studio_port or free_port(options.host)
    if not is_free(options.host, port):
        say(f"warning: no Studio: port {port} is taken (hai-up run --studio-port N)")
        return 0
    url = url_of(options.host, port)
    process = _start(layout, options.host, port, server_url)
    wait_until(lambda: answers(url) or not process.is_alive(), READY_SECONDS)
    if not answers(url):
        for line in last_lines(layout.studio_log, 4):
            say(f"  {line[:300]}")
        say(f"warning: Studio does not answer at {url}; its log is {layout.studio_log}")
        stop_studio(layout)
        return 0
    say(f"Studio is at {url}")
    return port


def answers(url: str) -> bool:
    return is_healthy(url, timeout_seconds=_ANSWER_SECONDS)


def stop_studio(layout: Layout) -> bool:
    """True if it ran."""
    process = find_studio(layout)
    if process is not None:
        stop_process(process, seconds=STOP_SECONDS)
    remove_stale(layout.studio_pid)
    return process is not None


def _start(layout: Layout, host: str, port: int, server_url: str) -> Process:
    words = ["--server", server_url, "--host", host, "--port", str(port)]
    words += ["--owner", os.fspath(layout.root)]
    handle = os.open(layout.studio_log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        child = subprocess.Popen(  # noqa: S603 - our own program
            [sys.executable, "-P", "-m", "hai.studio.main", *words],
            stdin=subprocess.DEVNULL,
            stdout=handle,
            stderr=handle,
            cwd=layout.root,
            env=server_environment(),
            start_new_session=True,
        )
    finally:
        os.close(handle)
    process = process_with_pid(child.pid) or Process(child.pid, 0, "")
    write_private(layout.studio_pid, json.dumps(asdict(process)) + "\n")
    return process
