"""Runs the command lines of the small tools: their errors look like those of hai-cli."""

import sys
from typing import NoReturn

import typer

from hai.console.commands import ClickError, usage_error
from hai.console.errors import BROKEN_PIPE, INTERRUPTED, Stderr, leave, run_tool, silence
from hai.console.output import ReaderGone
from hai.errors import NotFound


def run_app(app: typer.Typer, stderr: Stderr) -> NoReturn:
    """Runs `app` as `stderr.program` on the words of this process, and exits."""
    run_tool(lambda: _entry(app, stderr), stderr)


def _entry(app: typer.Typer, stderr: Stderr) -> None:
    words = sys.argv[1:] or ["--help"]  # a bare name is a question, not a mistake
    try:
        code = app(words, prog_name=stderr.program, standalone_mode=False)
    except (ReaderGone, BrokenPipeError):
        silence(sys.stdout)
        leave(BROKEN_PIPE)
    except (KeyboardInterrupt, typer.Abort):
        stderr.say("interrupted")
        leave(INTERRUPTED)
    except ClickError as error:
        raise usage_error(error, stderr.program) from None
    except FileNotFoundError as error:
        if error.filename is None:  # of os.getcwd()
            raise NotFound(
                "the current directory was removed", hint="cd to one that is there"
            ) from error
        raise
    if isinstance(code, int):
        leave(code)
