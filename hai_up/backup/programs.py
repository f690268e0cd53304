"""hai-server's dump, load and migrate as child processes of hai-up: what goes in, what they say."""

import json
import shutil
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, BinaryIO

from hai.errors import PlatformError
from hai_up.backup.flow import answer_of
from hai_up.backup.place import Json
from hai_up.bootstrap import said_why

Child = subprocess.Popen[bytes]


def started(command: list[str], **more: Any) -> Child:
    """With pipes for all three of its streams."""
    return subprocess.Popen(  # noqa: S603 - our own program, or docker with it
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        **more,
    )


def dump_by(program: Child, sink: BinaryIO) -> None:
    with program as child:
        assert child.stdout is not None  # noqa: S101 - it is a pipe
        shutil.copyfileobj(child.stdout, sink)
        _ended(child, "the database cannot be backed up")


def load_by(program: Child, order: Mapping[str, Any], source: BinaryIO | None) -> Json:
    with program as child:
        assert child.stdin is not None  # noqa: S101 - it is a pipe
        try:
            child.stdin.write(json.dumps(order).encode() + b"\n")
            if source is not None:
                shutil.copyfileobj(source, child.stdin)
        except BrokenPipeError:
            pass  # it has ended, and says why
        finally:
            with suppress(BrokenPipeError):
                child.stdin.close()
            child.stdin = None
        return answer_of(_ended(child, "the database cannot be restored"))


def migrate_by(program: Child) -> list[str]:
    """Names of the migrations that were applied."""
    with program as child:
        return list(answer_of(_ended(child, "the database cannot be migrated"))["applied"])


def checked(program: Child, what: str) -> str:
    """What it prints; PlatformError says what cannot be done, and why."""
    with program as child:
        return _ended(child, what).decode("utf-8", "replace").strip()


def _ended(child: Child, what: str) -> bytes:
    """What it printed; PlatformError with its own words if it failed."""
    out, err = child.communicate()
    if child.returncode:
        lines = err.decode("utf-8", "replace").splitlines()
        why, hint = said_why(lines)
        last = lines[-1][-300:] if lines else f"exit {child.returncode}"
        raise PlatformError(f"{what}: {why or last}", hint=hint)
    return out
