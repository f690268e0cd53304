"""What starts for the command haienv. A shell that enters an environment, and hai-cli that asks for
one, do not wait for the machinery of a whole command line."""

from __future__ import annotations

import sys

from haienv import quick

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn


def main() -> NoReturn:
    """Runs the command line."""
    match sys.argv[1:]:
        case ["record", *words]:
            _record(words)
        case ["shell", name] if not name.startswith("-"):
            _shell(name, None)
        case ["shell", name, "-u", user] if not name.startswith("-"):
            _shell(name, user)
        case ["add", *words]:
            quick.add(words)
        case ["create", *words]:
            quick.create(words)
    from haienv.commands import main as run

    run()


def _record(words: list[str]) -> NoReturn:
    """What hai-cli asks: stdout is for it, stderr for people."""
    from haienv.recording import answer

    code, text = answer(words, quick.say)
    sys.stdout.write(text + "\n")
    sys.exit(code)


def _shell(name: str, user: str | None) -> NoReturn:
    def tell() -> None:
        from haienv.index import Index
        from haienv.shell import activation_code

        sys.stdout.write(activation_code(Index.of_process().find(name, user)))

    quick.run(tell)
