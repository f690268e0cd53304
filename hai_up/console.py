"""What hai-up says, where, and how it ends: data on stdout, narration on stderr, one exit code."""

import os
import sys
from collections.abc import Callable
from pathlib import Path

from hai.console.commands import ClickError, usage_error
from hai.console.errors import exit_code, open_closed_streams
from hai.errors import HaiError, InvalidInput


def data(text: str) -> None:
    """One piece of output on stdout."""
    sys.stdout.write(text if text.endswith("\n") else text + "\n")
    sys.stdout.flush()


def say(text: str) -> None:
    """One line of narration on stderr."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def folder(text: str) -> Path:
    """Of --data-dir. An empty one (of a variable that is not set) would be the folder that one
    happens to be in."""
    if not text:
        raise InvalidInput(
            "--data-dir is empty and names no folder",
            hint="--data-dir FOLDER; without it the platform is where it usually is",
        )
    return Path(text)


def ask(question: str, expected: str, *, flag: str = "--yes") -> bool:
    """True if the person at the terminal types `expected`.

    Raises InvalidInput (exit code 2) where nobody can be asked.
    """
    if not sys.stdin.isatty():
        raise InvalidInput(
            "this needs a confirmation, and standard input is not a terminal",
            hint=f"add {flag} to go on without being asked",
        )
    sys.stderr.write(question)
    sys.stderr.flush()
    return sys.stdin.readline().strip() == expected


def guarded(entry: Callable[[], object]) -> int:
    """Run `entry` and return its exit code; a deliberate error is told as `error:` and `hint:`."""
    open_closed_streams()
    try:
        result = entry()
    except HaiError as error:
        return _told(error)
    except ClickError as error:
        return _told(usage_error(error, "hai-up"))
    except KeyboardInterrupt:
        say("interrupted")
        return 130
    except BrokenPipeError:
        sys.stderr.close()
        return 141
    except OSError as error:  # a full disk behind stdout
        return _told(_trouble(error))
    return result if isinstance(result, int) else 0


def _trouble(error: OSError) -> HaiError:
    try:
        os.getcwd()  # noqa: PTH109 - of the same call, to fail as it does
    except OSError:
        return HaiError(
            "the folder that this was called in is not there any more",
            hint="cd to another one, then the same command again",
        )
    return HaiError(f"{error.filename or 'the output'}: {error.strerror or error}")


def _told(error: HaiError) -> int:
    say(f"error: {error.message}")
    if error.hint:
        say(f"hint: {error.hint}")
    return exit_code(error)
