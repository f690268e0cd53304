"""Programs on the machine behind an SSH connection, where its server lets us run any."""

import json
import os
import shlex
from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from hai.errors import PlatformError

if TYPE_CHECKING:
    from paramiko import SSHClient

_WORDS_BYTES = 60_000  # of one command
_NOT_FOUND, _USAGE = 127, 2
# A shell that ssh starts may not have the PATH that its user has after a log-in.
_SNAPSHOT = """
program=$(command -v haiworkspace || bash -lc 'command -v haiworkspace' 2>/dev/null | tail -n 1)
test -x "$program" || exit 127
exec "$program" snapshot-there "$1"
"""


class Programs:
    """`run_there`: whether there is a shell behind the connection."""

    def __init__(self, client: "SSHClient") -> None:
        self._client = client
        self.run_there = self._run("echo hai")[1].strip() == "hai"

    def sums(self, root: str, names: list[str]) -> dict[str, str]:
        """The sha256 of files below `root`, by name; without those that cannot be read there."""
        found: dict[str, str] = {}
        for some in _portions(names) if self.run_there else ():
            found.update(self._sums(root, some))
        return found

    def _sums(self, root: str, names: list[str]) -> dict[str, str]:
        """By sha256sum there; without those that it cannot read. -z keeps odd names as they are."""
        words = " ".join(shlex.quote(f"./{name}") for name in names)
        command = f"cd -- {shlex.quote(root)} && sha256sum -z -- {words}"
        found = {}
        for line in self._run(command)[1].split("\0"):
            digest, _, name = line.partition("  ./")
            if len(digest) == 64 and name:
                found[name] = digest
        return found

    def snapshot(self, root: str, question: bytes) -> dict[str, Any] | None:
        """What haiworkspace there answers (haiworkspace.there); None where there is none that
        does."""
        if not self.run_there:
            return None
        command = f"sh -c {shlex.quote(_SNAPSHOT)} haiworkspace {shlex.quote(root)}"
        code, said = self._run(command, question)
        with suppress(ValueError):
            found = json.loads((said.strip().splitlines() or [""])[-1])
            if isinstance(found, dict) and ("id" in found or "error" in found):
                return found
        if code in (None, _NOT_FOUND, _USAGE):  # or one that knows nothing of this
            return None
        raise PlatformError(
            f"haiworkspace there made no snapshot (exit code {code})",
            hint=f"there: haiworkspace snapshot-there {root} < /dev/null",
        )

    def _run(self, command: str, given_to_it: bytes = b"") -> tuple[int | None, str]:
        """Exit code and stdout of a program there; None where it cannot be started."""
        from paramiko import SSHException

        try:
            given, out, _ = self._client.exec_command(command)
            with suppress(OSError):  # it has ended without reading it
                given.write(given_to_it)
            given.channel.shutdown_write()  # an internal-sftp in place of a shell would wait
            said = out.read().decode("utf-8", "surrogateescape")
            return out.channel.recv_exit_status(), said
        except SSHException:
            return None, ""


def _portions(names: list[str]) -> Iterator[list[str]]:
    """Lists of names that fit into one command."""
    some: list[str] = []
    size = 0
    for name in names:
        if some and size > _WORDS_BYTES:
            yield some
            some, size = [], 0
        some.append(name)
        size += len(os.fsencode(name)) + 8
    if some:
        yield some
