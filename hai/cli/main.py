"""The console scripts `hai` and `hai-cli`."""

import inspect
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.main import get_command

import hai
from hai.cli.lazy import LazyGroup
from hai.cli.peek import Peeked, peek
from hai.cli.session import SharedOptions, shared_parameters
from hai.console.commands import HELP_NAMES, ClickError, lighten, option, usage_error
from hai.console.errors import (
    BROKEN_PIPE,
    ERROR,
    INTERRUPTED,
    USAGE,
    Stderr,
    exit_code,
    leave,
    open_closed_streams,
    silence,
)
from hai.console.output import ReaderGone
from hai.console.terminal import Palette, wants_colour
from hai.errors import HaiError, InvalidInput

EXAMPLES = """
hai-cli python train.py --lr 0.1 -- -n 2 -f    train on two nodes and follow the output
hai-cli list                                   your tasks
hai-cli logs -f train.py                       follow one again
hai-cli help modes                             what `--` and `++` mean
"""


_NO_TEXT = InvalidInput(
    "an argument or a path holds bytes that are not UTF-8 text", hint="rename it, or leave it out"
)


_VERSION_SECONDS = 1.0  # for the server to tell its own


def build() -> Any:
    """The root command."""
    app = typer.Typer(
        cls=LazyGroup,
        add_completion=True,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": HELP_NAMES},
    )
    app.callback(epilog=EXAMPLES)(_root_function())
    command = get_command(app)
    lighten(command)  # Typer adds its completion options behind the constructor's back
    return command


def main(argv: Sequence[str] | None = None) -> None:
    """Runs one command line and exits with its code (hai.console.errors)."""
    open_closed_streams()
    args = list(sys.argv[1:] if argv is None else argv)
    name = Path(sys.argv[0]).name
    program = name if name in ("hai", "hai-cli") else "hai-cli"
    seen = peek(args, os.environ.get("HAI_OUTPUT", ""))
    Stderr.program = program
    stderr = Stderr(as_json=seen.as_json, palette=_palette(seen.color))
    leave(_run(args, program, seen, stderr))


def _palette(typed: str) -> Palette:
    """Colours of errors; a --color that makes no sense is itself an error that is told later."""
    choice = typed or os.environ.get("HAI_COLOR", "")
    known = choice if choice in ("always", "never") else "auto"
    return Palette(wants_colour(known, os.environ, is_terminal=sys.stderr.isatty()))


def _run(args: list[str], program: str, seen: Peeked, stderr: Stderr) -> int:
    try:
        # A bare `hai-cli` is a question, not a mistake.
        result = build().main(args or ["--help"], prog_name=program, standalone_mode=False)
    except HaiError as error:
        if seen.debug:
            stderr.traceback()
        stderr.error(error)
        return exit_code(error)
    except (ReaderGone, BrokenPipeError):
        silence(sys.stdout)
        return BROKEN_PIPE
    except KeyboardInterrupt:
        return INTERRUPTED
    except ClickError as error:
        stderr.error(usage_error(error, program))
        return USAGE
    except typer.Abort:
        return INTERRUPTED
    except UnicodeEncodeError:  # only names and arguments can bring such characters in
        stderr.error(_NO_TEXT)
        return USAGE
    except Exception as error:  # noqa: BLE001 (the process's edge: a bug is told in one line)
        if seen.debug:
            stderr.traceback()
        stderr.error(_bug(error))
        return ERROR
    return result if isinstance(result, int) else 0


def _bug(error: Exception) -> HaiError:
    if isinstance(error, OSError):
        where = f"{error.filename}: " if error.filename else ""
        return HaiError(f"{where}{error.strerror or error}", hint="--debug shows where")
    return HaiError(
        f"unexpected {type(error).__name__}: {error}",
        hint="this is a defect in hai-cli; --debug shows where, please report it",
    )


def _show_version(value: bool) -> None:
    if value:
        sys.stdout.write(f"hai-cli {hai.__version__}\n")
        if sys.stderr.isatty():  # a person; a script asks for one line and gets it at once
            _compare_with_server()
        raise typer.Exit


def _compare_with_server() -> None:
    """Tell of a server that is another build; nothing where none answers soon."""
    from hai.cli.commands.version import difference, server_version
    from hai.client.profile import load_profile

    with suppress(HaiError):
        server = server_version(load_profile(), _VERSION_SECONDS)
        if server != hai.__version__:
            sys.stderr.write(f"warning: {difference(server)}\n")


def _root_function() -> Any:
    Version = Annotated[
        bool,
        option(
            "--version",
            help="Print the client's version, on a terminal also whether the server's is another.",
            callback=_show_version,
            is_eager=True,
        ),
    ]

    def root(ctx: typer.Context, **values: Any) -> None:
        """HAI shares a GPU cluster in time: submit training, follow it, and let the platform
        suspend and resume it so that the cluster is never idle."""
        values.pop("version", None)
        ctx.obj = SharedOptions(**values)

    positional = inspect.Parameter.POSITIONAL_OR_KEYWORD
    keyword = inspect.Parameter.KEYWORD_ONLY
    parameters = [
        inspect.Parameter("ctx", positional, annotation=typer.Context),
        inspect.Parameter("version", keyword, default=False, annotation=Version),
        *shared_parameters(formats=True, lists=False),
    ]
    root.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    root.__annotations__ = {p.name: p.annotation for p in parameters}
    return root


if __name__ == "__main__":
    main()
