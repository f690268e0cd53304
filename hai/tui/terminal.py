"""What the dashboard does with the machine that it runs on: files, the pager, the mouse."""

import shlex
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from hai.tui.files import free_name, pager_command
from hai.tui.textual_private import PlainTracebacks, toggle_mouse

MOST_FORWARDS = 16


class TerminalMixin(PlainTracebacks):
    """The part of the app that knows the terminal and the file system."""

    def __init__(self) -> None:
        super().__init__()
        self._forwards: list[subprocess.Popen[str]] = []

    def say(self, text: str, role: str = "") -> None:
        raise NotImplementedError

    @property
    def environ(self) -> Mapping[str, str]:
        raise NotImplementedError

    def action_mouse(self) -> None:
        is_on = toggle_mouse(self)
        self.say("mouse on: it moves the cursor" if is_on else "mouse off: it selects text")

    def write_file(self, stem: str, text: str, *, suffix: str = "txt") -> None:
        try:
            path = free_name(Path.cwd(), stem, suffix)
            path.write_text(text, encoding="utf-8", errors="surrogateescape")
        except OSError as error:  # also when the folder we are in was removed
            self.say(f"cannot write {stem}.{suffix} here: {error.strerror}", "bad")
        else:
            self.say(f"written: {path}", "run")

    def cli(self, *words: str) -> list[str]:
        """hai-cli with the server of this dashboard."""
        return [sys.executable, "-m", "hai.cli.main", *words, "--url", self.server_url]

    @property
    def server_url(self) -> str:
        raise NotImplementedError

    def run_cli(self, *words: str) -> None:
        """hai-cli in place of the dashboard, until it ends."""
        with self.suspend():
            code = subprocess.call(self.cli(*words), env=dict(self.environ))  # noqa: S603
        self.say(f"hai-cli {' '.join(words)}: exit code {code}", "warn" if code else "")

    def forward(self, task_id: int, ports: Sequence[str]) -> None:
        """hai-cli port-forward beside the dashboard, until that ends."""
        self._forwards = [one for one in self._forwards if one.poll() is None]
        if not ports or len(self._forwards) >= MOST_FORWARDS:
            self.say(f"{MOST_FORWARDS} forwards at most" if ports else "no port was given", "warn")
            return
        words = self.cli("port-forward", str(task_id), *ports)
        process = subprocess.Popen(  # noqa: S603
            words,
            env=dict(self.environ),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
        )
        self._forwards.append(process)
        threading.Thread(target=self._pass_on, args=(process,), daemon=True).start()

    def _pass_on(self, process: "subprocess.Popen[str]") -> None:
        """In a thread: what the process says becomes the dashboard's notice."""
        assert process.stderr is not None  # noqa: S101 - for the type checker
        for line in process.stderr:
            text = line.strip().removeprefix("hai-cli: ")
            with suppress(RuntimeError):  # the dashboard has ended
                self.call_from_thread(self.say, text)
        process.wait()

    def end_forwards(self) -> None:
        for process in self._forwards:
            process.terminate()

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
