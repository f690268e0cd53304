"""Typer, bent to the contract: examples first in help, light option parsing, usage errors."""

import re
from difflib import get_close_matches
from itertools import groupby
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from hai.errors import InvalidInput

# Typer vendors click; its exceptions are reached through what it exports.
UsageError: Any = typer.BadParameter.__bases__[0]
ClickError: Any = UsageError.__bases__[0]

HELP_NAMES = ["-h", "--help"]
OPTIONS_PANEL = "Options"


class LightParam:
    """Turns the words of the command line into str, int, bool or lists of them.

    Typer would load a validation library for that, which costs more than most of our commands.
    """

    def __init__(self, annotation: Any) -> None:
        self._is_int = annotation is int

    def coerce(self, value: Any, *, param: Any, ctx: Any) -> Any:
        if isinstance(value, tuple):
            return list(value)
        if not self._is_int or value is None:
            return value
        try:
            return int(value)
        except ValueError:
            raise typer.BadParameter(f"{value!r} is not a whole number", ctx, param) from None


def lighten(command: Any) -> None:
    """Only str, int, bool and list[str] are declared in our commands: parse them the light way."""
    for param in command.params:
        lighten_param(param)


def lighten_param(param: Any) -> Any:
    """The same for one parameter, given back."""
    if param is not None:
        annotation = getattr(getattr(param, "type_descriptor", None), "annotation", None)
        if annotation in (str, int, bool, list[str]):
            param._runtime_param = LightParam(annotation)
    return param


class _Light:
    """What a command and a group have in common: light parsing, examples first in the help."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs["rich_markup_mode"] = None
        super().__init__(*args, **kwargs)
        lighten(self)

    def get_help_option(self, ctx: Any) -> Any:
        return lighten_param(super().get_help_option(ctx))  # type: ignore[misc]

    def format_help(self: Any, ctx: Any, formatter: Any) -> None:
        self.format_usage(ctx, formatter)
        write_examples(formatter, self.epilog)
        self.format_help_text(ctx, formatter)
        self.format_options(ctx, formatter)


class HaiCommand(_Light, TyperCommand):
    """`epilog` holds the examples; options are grouped by their panel."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        write_options(self, ctx, formatter)


def write_examples(formatter: Any, examples: str | None) -> None:
    if examples:
        formatter.write("\nExamples:\n")
        for line in examples.strip().splitlines():
            formatter.write(f"  {line.strip()}\n")


def write_options(command: Any, ctx: Any, formatter: Any) -> None:
    """Arguments, then options by panel, in the order in which panels first appear."""
    records: list[tuple[str, tuple[str, str]]] = []
    for param in command.get_params(ctx):
        record = param.get_help_record(ctx)
        if record is not None:
            is_argument = param.param_type_name == "argument"
            panel = getattr(param, "rich_help_panel", None) or OPTIONS_PANEL
            records.append(("Arguments" if is_argument else panel, record))
    order = list(dict.fromkeys(["Arguments", OPTIONS_PANEL, *(panel for panel, _ in records)]))
    records.sort(key=lambda entry: order.index(entry[0]))
    for panel, entries in groupby(records, key=lambda entry: entry[0]):
        with formatter.section(panel):
            formatter.write_dl([record for _, record in entries])


class HaiGroup(_Light, TyperGroup):
    """A small group of sub-verbs, as `quota list|set`."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        self.format_commands(ctx, formatter)
        write_options(self, ctx, formatter)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        if self.get_command(ctx, args[0]) is None and not ctx.resilient_parsing:
            raise no_such_command(ctx, args[0], self.list_commands(ctx))
        return super().resolve_command(ctx, args)


def no_such_command(ctx: Any, typed: str, names: list[str]) -> Exception:
    close = get_close_matches(typed, names, n=1)
    error: Exception = UsageError(f"no such command: {typed}", ctx)
    error.possibilities = close  # type: ignore[attr-defined]
    return error


_PLAIN = (  # what Typer's library says of a number
    (re.compile(r"Input should be a valid (integer|number).*"), "it is no whole number"),
    (re.compile(r"Input should be greater than or equal to (\S+)"), r"it is \1 at least"),
    (re.compile(r"Input should be less than or equal to (\S+)"), r"it is \1 at most"),
)


def usage_error(error: Any, program: str) -> InvalidInput:
    """Typer's usage error in our two lines, with the nearest spelling."""
    context = getattr(error, "ctx", None)
    path = getattr(context, "command_path", program)
    message = error.message if not hasattr(error, "param") else error.format_message()
    if message[1:2].islower():
        message = message[:1].lower() + message[1:]
    for typed, said in _PLAIN:
        message = typed.sub(said, message)
    message = message.rstrip(".")
    close = list(getattr(error, "possibilities", None) or [])[:1]
    hint = f"did you mean {close[0]}? " if close else ""
    where = f"`{path} --help` shows what is possible"
    return InvalidInput(message, hint=hint + where)


def new_app(**settings: Any) -> typer.Typer:
    """A Typer for one command module; sub-verbs when the module calls `app.callback()`."""
    return typer.Typer(
        cls=HaiGroup,
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": HELP_NAMES},
        **settings,
    )


def option(*names: str, help: str, panel: str | None = None, **more: Any) -> Any:
    """An option whose help says its environment variable, and its default when it has one."""
    more.setdefault("show_envvar", True)
    return typer.Option(*names, help=help, rich_help_panel=panel, **more)
