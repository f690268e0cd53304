"""What starts for the command haienv. A shell that enters an environment, and hai-cli that asks for
one, do not wait for the machinery of a whole command line."""

import sys
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
        case ["add", name, *words] if not name.startswith("-"):
            _add(name, words)
    from haienv.commands import main as run

    run()


def _record(words: list[str]) -> NoReturn:
    """What hai-cli asks: stdout is for it, stderr for people."""
    from haienv.recording import answer

    code, text = answer(words, _say)
    sys.stdout.write(text + "\n")
    sys.exit(code)


def _shell(name: str, user: str | None) -> NoReturn:
    from hai.console.errors import Stderr, run_tool
    from haienv.index import Index
    from haienv.shell import activation_code

    def tell() -> None:
        sys.stdout.write(activation_code(Index.of_process().find(name, user)))

    run_tool(tell, Stderr(program="haienv"))


def _add(name: str, words: list[str]) -> None:
    """Packages and files of them alone; returns for whatever else was written."""
    lines, listed = [], []
    rest = list(words)
    while rest:
        word = rest.pop(0)
        if word in ("-r", "--requirement") and rest:
            listed.append(rest.pop(0))
        elif word.startswith("-"):
            return
        else:
            lines.append(word)
    from hai.console.errors import Stderr, run_tool

    def work() -> None:
        from haienv.adding import add_listed

        add_listed(name, lines, listed, stderr.say)

    stderr = Stderr(program="haienv")
    run_tool(work, stderr)


def _say(line: str) -> None:
    sys.stderr.write(line + "\n")
