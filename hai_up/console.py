"""What hai-up says, where, and how it ends: data on stdout, narration on stderr, one exit code."""

import sys
from collections.abc import Callable

from hai.errors import HaiError, InvalidInput

EXIT_CODES = {
    "invalid_input": 2,
    "not_found": 3,
    "auth_required": 4,
    "denied": 5,
    "over_quota": 5,
    "conflict": 6,
    "name_in_use": 6,
    "unreachable": 7,
    "unavailable": 7,
    "timeout": 8,
}


def data(text: str) -> None:
    """One piece of output on stdout."""
    sys.stdout.write(text if text.endswith("\n") else text + "\n")
    sys.stdout.flush()


def say(text: str) -> None:
    """One line of narration on stderr."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


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


def exit_code_of(error: HaiError) -> int:
    """The shell's number for an error; 1 for what has none of its own."""
    return EXIT_CODES.get(error.code, 1)


def guarded(entry: Callable[[], object]) -> int:
    """Run `entry` and return its exit code; a deliberate error is told as `error:` and `hint:`."""
    try:
        entry()
    except HaiError as error:
        say(f"error: {error.message}")
        if error.hint:
            say(f"hint: {error.hint}")
        return exit_code_of(error)
    except KeyboardInterrupt:
        say("interrupted")
        return 130
    except BrokenPipeError:
        sys.stderr.close()
        return 141
    return 0
