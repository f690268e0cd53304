"""What starts for the command haienv. Whoever waits for a shell does not wait for a command line's
whole machinery: the two commands that programs ask most are answered before it is loaded."""

import sys
from typing import NoReturn


def main() -> NoReturn:
    """Runs the command line."""
    if sys.argv[1:2] == ["record"]:
        _record(sys.argv[2:])
    from haienv.commands import main as run

    run()


def _record(words: list[str]) -> NoReturn:
    """What hai-cli asks: stdout is for it, stderr for people."""
    from haienv.recording import answer

    code, text = answer(words, _say)
    sys.stdout.write(text + "\n")
    sys.exit(code)


def _say(line: str) -> None:
    sys.stderr.write(line + "\n")
