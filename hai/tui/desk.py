"""What the dashboard does with the machine that it runs on: files, the pager, the mouse."""

import shlex
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from textual.app import App

from hai.tui.files import free_name, pager_command


class Desk(App[None]):
    """The part of the app that knows the terminal and the file system."""

    def say(self, text: str, role: str = "") -> None:
        raise NotImplementedError

    @property
    def environ(self) -> Mapping[str, str]:
        raise NotImplementedError

    def do_mouse(self) -> None:
        driver: Any = self._driver
        is_on = not getattr(driver, "_mouse", False)
        if not is_on:
            driver._disable_mouse_support()
        driver._mouse = is_on
        if is_on:
            driver._enable_mouse_support()
        self.say("mouse on: it moves the cursor" if is_on else "mouse off: it selects text")

    def write_file(self, stem: str, text: str, *, suffix: str = "txt") -> None:
        try:
            path = free_name(Path.cwd(), stem, suffix)
            path.write_text(text, encoding="utf-8", errors="surrogateescape")
        except OSError as error:  # also when the folder we are in was removed
            self.say(f"cannot write {stem}.{suffix} here: {error.strerror}", "bad")
        else:
            self.say(f"written: {path}", "run")

    def page_text(self, text: str) -> None:
        """Show a text in the user's pager, in place of the dashboard."""
        command = pager_command(self.environ)
        with tempfile.NamedTemporaryFile(
            "w", prefix="hai-top-", suffix=".txt", errors="replace"
        ) as f:
            f.write(text)
            f.flush()
            try:
                words = [*shlex.split(command), f.name]
                with self.suspend():
                    subprocess.run(words, check=False)  # noqa: S603
            except OSError as error:
                self.say(f"{command}: {error.strerror}; PAGER names another one", "bad")
            except ValueError as error:
                self.say(f"PAGER={command}: {str(error).lower()}", "bad")
