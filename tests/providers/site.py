"""Somebody with a shell who deploys by hai-up, whatever the provider is."""

import os
import pty
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

ROOT = Path(__file__).parents[2]
_SECONDS = 900


@dataclass(frozen=True)
class Done:
    """Exit code, and what was said both ways."""

    code: int
    text: str


@dataclass(frozen=True, kw_only=True)
class Shell:
    """`front`: in front of each command, for one that runs elsewhere; `variables`: of the
    environment, beside PATH and HOME."""

    home: Path
    variables: Mapping[str, str] = field(default_factory=dict)
    front: Sequence[str] = ()

    def environment(self) -> dict[str, str]:
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        return {"PATH": path, "HOME": str(self.home), "LANG": "C.UTF-8", **self.variables}

    def tried(self, *words: str) -> Done:
        """With nobody at the terminal."""
        done = subprocess.run(
            [*self.front, *words],
            cwd=self.home,
            env=self.environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=_SECONDS,
        )
        return Done(done.returncode, done.stdout)

    def typed(self, answer: str, *words: str) -> Done:
        """At a terminal, where somebody types `answer` and Enter."""
        ours, theirs = pty.openpty()
        try:
            process = subprocess.Popen(
                [*self.front, *words],
                cwd=self.home,
                env=self.environment(),
                stdin=theirs,
                stdout=theirs,
                stderr=theirs,
            )
        finally:
            os.close(theirs)
        os.write(ours, f"{answer}\n".encode())
        said = b""
        with suppress(OSError):  # the other end is closed when the command ends
            while chunk := os.read(ours, 65536):
                said += chunk
        os.close(ours)
        return Done(process.wait(_SECONDS), said.decode())

    def line(self, text: str) -> str:
        """What a shell prints for it; a failure is an AssertionError."""
        done = self.tried("bash", "-euc", text)
        assert done.code == 0, done.text
        return done.text


class Site(Protocol):
    """A place where hai-up can bring a platform, and what the promises ask of it."""

    shell: Shell
    run_words: tuple[str, ...]  # behind hai-up run
    words: tuple[str, ...]  # behind every other command
    name: str  # that has to be typed to purge

    def has_data(self) -> bool:
        """Is the database there?"""
        ...

    def parts(self) -> dict[str, str]:
        """What runs, by name, with what tells a new one from the old one."""
        ...

    def left(self) -> set[str]:
        """All that a platform may leave behind, but for its data."""
        ...

    def kept(self) -> set[str]:
        """What of it belongs to the data: down keeps it, purge does not."""
        ...
