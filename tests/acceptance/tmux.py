"""A real terminal that can be looked at: a program in a tmux of its own."""

import os
import secrets
import shlex
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

import pytest

from tests.waiting import PATIENCE_SECONDS, wait_until


@dataclass(frozen=True)
class Tmux:
    """One window; `name` is the socket of its server."""

    name: str

    def run(self, *words: str) -> str:
        done = subprocess.run(
            ["tmux", "-L", self.name, *words], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, (words, done.stderr)
        return done.stdout

    @property
    def screen(self) -> str:
        return self.run("capture-pane", "-p")

    @property
    def colours(self) -> str:
        """The screen with its colour codes."""
        return self.run("capture-pane", "-p", "-e")

    def types(self, *keys: str) -> None:
        """Keys by tmux's names ("Enter", "C-d"), or single characters."""
        self.run("send-keys", *keys)

    def sees(self, *texts: str, seconds: float = PATIENCE_SECONDS) -> None:
        for text in texts:
            try:
                wait_until(partial(self._has, text), seconds, what=repr(text))
            except AssertionError as error:
                raise AssertionError(f"{error}; the screen:\n{self.screen}") from None

    def _has(self, text: str) -> bool:
        return text in self.screen

    def misses(self, text: str) -> None:
        wait_until(lambda: text not in self.screen, what=f"{text!r} gone")

    def resize(self, width: int, height: int) -> None:
        self.run("resize-window", "-x", str(width), "-y", str(height))

    def mode(self, name: str) -> str:
        """A format of tmux, such as alternate_on or cursor_flag."""
        return self.run("display-message", "-p", f"#{{{name}}}").strip()


@contextmanager
def window(
    command: list[str], environ: Mapping[str, str], *, width: int = 80, height: int = 24
) -> Iterator[Tmux]:
    """A shell that has been told to run the command; it stays when the command has ended."""
    if shutil.which("tmux") is None:
        if os.environ.get("CI"):
            pytest.fail("tmux is not installed")
        pytest.skip("tmux is not installed")
    found = Tmux(f"hai-test-{secrets.token_hex(4)}")
    size = ["-x", str(width), "-y", str(height)]
    line = f"{shlex.join(command)}; echo ended with $?; exec sh"
    kept = {**environ, "PS1": "$ "}
    subprocess.run(
        ["tmux", "-L", found.name, "-f", "/dev/null", "new-session", "-d", *size, "sh", "-c", line],
        env=kept,
        check=True,
    )
    try:
        yield found
    finally:
        subprocess.run(["tmux", "-L", found.name, "kill-server"], check=False, capture_output=True)
