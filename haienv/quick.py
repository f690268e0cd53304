"""The commands that are typed most, in their plain forms, without the machinery of a whole command
line: it takes longer to load than uv takes to work."""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import NoReturn

_INTERRUPTED = 130
_OWN = {"--no-extend": "--no_extend", "--py": "-p", "--yes": "-y", "--requirement": "-r"}
_FLAGS = ("--no_extend", "-y", "--private")
_VALUED = ("-p", "--extend", "-r", "--lock")


def run(work: Callable[[], object]) -> NoReturn:
    """Does the work and exits. Errors end as they do in the whole command line."""
    try:
        work()
        sys.stdout.flush()
    except KeyboardInterrupt:
        say("interrupted")
        sys.exit(_INTERRUPTED)
    except Exception as error:  # noqa: BLE001 - handed on to the one boundary
        _fail(error)
    sys.exit(0)


def _fail(error: Exception) -> NoReturn:
    from hai.console.errors import Stderr, run_tool

    def raise_again() -> None:
        raise error

    run_tool(raise_again, Stderr(program="haienv"))


def say(line: str) -> None:
    """One line for people, on stderr."""
    if not line.isprintable():
        from hai.console.terminal import printable

        line = printable(line)
    if sys.stderr is not None:  # closed by the caller
        try:
            sys.stderr.write(line + "\n")
            sys.stderr.flush()
        except (BrokenPipeError, ValueError):
            pass  # nobody reads: the exit code still speaks


def create(words: list[str]) -> None:
    """`create NAME` and its usual options; returns for whatever else was written, and where
    somebody has to be asked first."""
    found = _parsed(words, _FLAGS, _VALUED)
    if found is None or len(found["NAME"]) != 1:
        return
    if not found["-y"] and sys.stdin is not None and sys.stdin.isatty():
        return
    if any(len(found[name]) > 1 for name in ("-p", "--extend", "--lock")):
        return

    def work() -> None:
        from haienv.creating import CreateRequest, create

        order = CreateRequest(
            found["NAME"][0],
            bool(found["--no_extend"]),
            py="".join(found["-p"]),
            extend="".join(found["--extend"]),
            listed=tuple(found["-r"]),
            lock=found["--lock"][0] if found["--lock"] else None,
            private=bool(found["--private"]),
        )
        create(order, say, lambda: None)

    run(work)


def add(words: list[str]) -> None:
    """`add NAME`, packages, and files of them; returns for whatever else was written."""
    found = _parsed(words, (), ("-r",))
    if found is None or not found["NAME"]:
        return
    name, *lines = found["NAME"]

    def work() -> None:
        from haienv.adding import add_listed

        add_listed(name, lines, found["-r"], say)

    run(work)


def _parsed(
    words: list[str], flags: tuple[str, ...], valued: tuple[str, ...]
) -> dict[str, list[str]] | None:
    """The values of each option, and of "NAME"; None for anything that is not as plain as that."""
    found: dict[str, list[str]] = {name: [] for name in ("NAME", *flags, *valued)}
    rest = list(words)
    while rest:
        word = rest.pop(0)
        option = _OWN.get(word, word)
        if option in valued and rest:
            found[option].append(rest.pop(0))
        elif option in flags:
            found[option].append(option)
        elif word.startswith("-"):
            return None
        else:
            found["NAME"].append(word)
    return found
