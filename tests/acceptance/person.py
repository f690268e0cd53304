"""Somebody who types: the real hai-cli in processes of its own, on a pipe or on a terminal."""

import io
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pexpect

from tests.live import REPOSITORY, Live
from tests.waiting import PATIENCE_SECONDS

PROGRAM = [sys.executable, "-m", "hai.cli.main"]
DEADLINE_SECONDS = 2 * PATIENCE_SECONDS  # a whole command, from the start of Python to its end
_FOREIGN = (
    *("HAI_", "MARSV2_", "HF_ENV", "VIRTUAL_ENV", "CONDA", "PYTHON"),
    *("CLICOLOR", "NO_COLOR", "COLUMNS", "LINES"),
)
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")


@dataclass(frozen=True)
class Result:
    """How a command ended and what it wrote."""

    code: int
    raw: bytes
    err: str

    @property
    def out(self) -> str:
        return self.raw.decode("utf-8", "surrogateescape")


@dataclass(frozen=True)
class Person:
    """`hai("list")` runs a command to its end; other methods leave it running."""

    live: Live
    user: str = "root"

    @property
    def desk(self) -> Path:
        return self.live.work_dir

    def environ(self, **changes: str) -> dict[str, str]:
        """A login on this machine, without the settings of whoever runs the tests."""
        kept = {n: v for n, v in os.environ.items() if not n.startswith(_FOREIGN)}
        own = {
            "HAI_CONF": str(self.live.profile(self.user)),
            "LANG": "C.UTF-8",
            "LC_ALL": "C.UTF-8",
            "PYTHONPATH": str(REPOSITORY),
            "TERM": "xterm-256color",
        }
        return {**kept, **own, **changes}

    def start(
        self, *words: str, cwd: Path | None = None, **environ: str
    ) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [*PROGRAM, *words],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=cwd or self.desk,
            env=self.environ(**environ),
        )

    def __call__(
        self, *words: str, stdin: bytes = b"", cwd: Path | None = None, **environ: str
    ) -> Result:
        with self.start(*words, cwd=cwd, **environ) as process:
            out, err = process.communicate(stdin, timeout=DEADLINE_SECONDS)
        said = err.decode("utf-8", "replace")
        assert "Traceback" not in said, said
        return Result(process.returncode, out, said)

    @contextmanager
    def terminal(self, *words: str, **environ: str) -> Iterator["Terminal"]:
        """hai-cli on a terminal of 24 lines and 80 columns."""
        with self.console([*PROGRAM, *words], **environ) as terminal:
            yield terminal

    @contextmanager
    def console(self, command: list[str], **environ: str) -> Iterator["Terminal"]:
        """The same for any program."""
        child = pexpect.spawn(
            command[0],
            command[1:],
            cwd=str(self.desk),
            env=self.environ(**environ),
            dimensions=(24, 80),
            encoding="utf-8",
            timeout=DEADLINE_SECONDS,
        )
        try:
            yield Terminal(child)
        finally:
            child.close(force=True)

    def submit(self, file: str, text: str = "", *options: str) -> int:
        """A script made and submitted; the task's id. Its name is the file's."""
        if text:
            self.live.script(file, text)
        verb = "python" if file.endswith(".py") else "bash"
        done = self(verb, file, "--", "-q", *options)
        assert done.code == 0, done.err
        return int(done.out)

    def hollow(self, name: str, seconds: int = 1_000_000, *options: str) -> int:
        """A simulated task: it starts as soon as the scheduler has seen it, and is no process."""
        self.live.script("hollow.py", "")
        simulate = f"simulate.seconds={seconds}"
        words = ("--name", name, "-g", "hollow", "--options", simulate, "-q", *options)
        done = self("python", "hollow.py", "--", *words)
        assert done.code == 0, done.err
        return int(done.out)


class Terminal:
    """What is on the screen so far, and what a person does about it."""

    def __init__(self, child: Any) -> None:
        self.child = child
        self._seen = io.StringIO()
        child.logfile_read = self._seen

    @property
    def screen(self) -> str:
        """Everything that was shown, with \\n line ends."""
        return self._seen.getvalue().replace("\r\n", "\n")

    @property
    def plain(self) -> str:
        return _COLOUR.sub("", self.screen)

    def sees(self, *texts: str) -> None:
        """Each text in its turn; fails after a deadline."""
        for text in texts:
            self.child.expect_exact(text)

    def interrupt(self) -> None:
        self.child.sendintr()

    def types(self, text: str) -> None:
        self.child.sendline(text)

    def ends(self) -> int:
        """Reads to the end; the exit code as a shell tells it."""
        self.child.expect(pexpect.EOF)
        self.child.close()
        assert "Traceback" not in self.screen, self.screen
        if self.child.signalstatus is not None:
            return 128 + int(self.child.signalstatus)
        return int(self.child.exitstatus)
