"""What every command shares: the options that all of them take, and the objects made from them."""

import functools
import inspect
import os
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hai.cli.grammar import parse_duration
from hai.console.commands import HaiCommand, option
from hai.console.errors import Stderr
from hai.console.output import Format, Output, parse_format
from hai.console.terminal import Palette, wants_colour
from hai.errors import InvalidInput

if TYPE_CHECKING:
    from hai.client.http import HaiClient
    from hai.client.profile import Profile

_OUTPUT = "Output"
_SHARED = "Every command"
DEFAULT_TIMEOUT_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class SharedOptions:
    """The shared options as typed; None or False where they were not."""

    output: str | None = None
    json: bool = False
    fields: str | None = None
    no_headers: bool = False
    sort: str | None = None
    no_trunc: bool = False
    color: str | None = None
    quiet: bool = False
    verbose: bool = False
    debug: bool = False
    timeout: str | None = None
    url: str | None = None

    def over(self, outer: "SharedOptions") -> "SharedOptions":
        """These options; where one was not typed, `outer`'s."""
        given = {f.name: getattr(self, f.name) for f in fields(self) if getattr(self, f.name)}
        return replace(outer, **given)


FORMAT_OPTIONS: dict[str, Any] = {
    "output": Annotated[
        str | None,
        option(
            "-o",
            "--output",
            metavar="FORMAT",
            panel=_OUTPUT,
            envvar="HAI_OUTPUT",
            help="table, wide, json, yaml, jsonl, name or csv.",
            show_default="table",
            autocompletion=lambda: list(Format),
        ),
    ],
    "json": Annotated[bool, option("-j", "--json", help="The same as -o json.", panel=_OUTPUT)],
}
LIST_OPTIONS: dict[str, Any] = {
    "fields": Annotated[
        str | None,
        option(
            "--fields",
            metavar="A,B",
            panel=_OUTPUT,
            help="Only these fields; `help` lists them.",
        ),
    ],
    "no_headers": Annotated[
        bool, option("--no-headers", help="No line of column names.", panel=_OUTPUT)
    ],
    "sort": Annotated[
        str | None,
        option("--sort", metavar="FIELD", help="Sort; -FIELD is descending.", panel=_OUTPUT),
    ],
    "no_trunc": Annotated[
        bool, option("--no-trunc", help="Never shorten a cell to the terminal.", panel=_OUTPUT)
    ],
}
SHARED_OPTIONS: dict[str, Any] = {
    "quiet": Annotated[
        bool, option("-q", "--quiet", help="Data only, lists as bare ids.", panel=_SHARED)
    ],
    "verbose": Annotated[
        bool, option("-v", "--verbose", help="Show requests and their ids.", panel=_SHARED)
    ],
    "debug": Annotated[
        bool,
        option("--debug", help="Requests, and a traceback when something breaks.", panel=_SHARED),
    ],
    "color": Annotated[
        str | None,
        option(
            "--color",
            metavar="WHEN",
            panel=_SHARED,
            envvar="HAI_COLOR",
            help="auto, always or never; NO_COLOR is obeyed.",
            show_default="auto",
        ),
    ],
    "timeout": Annotated[
        str | None,
        option(
            "--timeout",
            metavar="TIME",
            panel=_SHARED,
            envvar="HAI_TIMEOUT",
            help="Longest wait for an answer (30s, 2m); then exit code 8.",
            show_default="60s",
        ),
    ],
    "url": Annotated[
        str | None,
        option(
            "--url",
            metavar="URL",
            panel=_SHARED,
            help="The server, instead of the one in ~/.hai/conf.yaml.",
        ),
    ],
}


class Session:
    """One command's streams, settings and client. Use as a context manager."""

    def __init__(
        self, shared: SharedOptions, environ: Mapping[str, str] | None = None, context: Any = None
    ) -> None:
        self.context = context  # Typer's, of the running command
        self.environ = os.environ if environ is None else environ
        self.shared = shared
        chosen = "json" if shared.json else shared.output or "table"
        chosen = "name" if shared.quiet and not (shared.json or shared.output) else chosen
        form = parse_format(chosen)
        self.stderr = Stderr(quiet=shared.quiet, as_json=form is Format.JSON)
        self.stderr.palette = self._palette(self.stderr.is_terminal)
        self.output = Output(
            format=form,
            fields=tuple(part.strip() for part in (shared.fields or "").split(",") if part.strip()),
            headers=not shared.no_headers,
            sort=shared.sort or "",
            truncate=not shared.no_trunc,
            palette=self._palette(sys.stdout.isatty()),
        )
        self._client: HaiClient | None = None
        self._profile: Profile | None = None

    def __enter__(self) -> "Session":
        return self

    def __exit__(self, *_error: object) -> None:
        if self._client is not None:
            self._client.close()

    @property
    def limit_seconds(self) -> float | None:
        """--timeout, when it was given."""
        if not self.shared.timeout:
            return None
        seconds = parse_duration(self.shared.timeout)
        if seconds <= 0:
            raise InvalidInput("--timeout must be more than 0", hint="write 30s, 10m or 1h")
        return seconds

    @property
    def profile(self) -> "Profile":
        if self._profile is None:
            from hai.client.profile import load_profile, normal_url

            found = load_profile(self.environ, self.stderr.warn)
            if self.shared.url:
                found = replace(found, url=normal_url(self.shared.url))
            self._profile = found
        return self._profile

    @property
    def client(self) -> "HaiClient":
        """Made on first use; AuthRequired or Unreachable when nothing is configured."""
        if self._client is None:
            from hai.client.http import HaiClient

            trace = self.stderr.detail if self.shared.verbose or self.shared.debug else None
            limit = self.limit_seconds or DEFAULT_TIMEOUT_SECONDS
            self._client = HaiClient(self.profile, timeout_seconds=limit, trace=trace)
        return self._client

    def answer_of(self, route: str) -> Mapping[str, Any]:
        """What the platform answers there."""
        found: Mapping[str, Any] = self.client.call(route)
        return found

    @property
    def now(self) -> float:
        """Unix seconds, for ages."""
        return time.time()  # noqa: TID251 (the process's edge: ages are shown by this clock)

    @property
    def can_ask(self) -> bool:
        """Whether somebody sits there to answer a question."""
        return sys.stdin is not None and sys.stdin.isatty() and self.stderr.is_terminal

    def ask(self, question: str) -> bool:
        """Yes or no, no by default."""
        self.stderr.prompt(f"{question} [y/N] ")
        return sys.stdin.readline().strip().lower() in ("y", "yes")

    def _palette(self, is_terminal: bool) -> Palette:
        choice = self.shared.color or "auto"
        return Palette(wants_colour(choice, self.environ, is_terminal=is_terminal))


def shared_parameters(*, formats: bool, lists: bool) -> list[inspect.Parameter]:
    """The shared options as parameters of a command function."""
    chosen = {
        **(FORMAT_OPTIONS if formats or lists else {}),
        **(LIST_OPTIONS if lists else {}),
        **SHARED_OPTIONS,
    }
    defaults = {f.name: f.default for f in fields(SharedOptions)}
    kind = inspect.Parameter.KEYWORD_ONLY
    return [
        inspect.Parameter(name, kind, default=defaults[name], annotation=annotation)
        for name, annotation in chosen.items()
    ]


def with_session(
    function: Callable[..., int | None], *, formats: bool = True, lists: bool = False
) -> Callable[..., int | None]:
    """`function(session, ...)` as Typer sees it: its own parameters and the shared ones."""
    own = list(inspect.signature(function).parameters.values())[1:]
    own = [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in own]
    taken = {parameter.name for parameter in own}
    extra = [p for p in shared_parameters(formats=formats, lists=lists) if p.name not in taken]
    context = inspect.Parameter(
        "ctx", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=typer.Context
    )

    @functools.wraps(function)
    def run(ctx: typer.Context, **values: Any) -> int | None:
        typed = {p.name: values.pop(p.name) for p in extra}
        outer = ctx.obj if isinstance(ctx.obj, SharedOptions) else SharedOptions()
        with Session(SharedOptions(**typed).over(outer), context=ctx) as session:
            return function(session, **values)

    parameters = [context, *own, *extra]
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {p.name: p.annotation for p in parameters}
    return run


def verb(
    app: typer.Typer,
    name: str,
    examples: str,
    *,
    formats: bool = True,
    lists: bool = False,
    cls: type[HaiCommand] = HaiCommand,
) -> Callable[[Callable[..., int | None]], Callable[..., int | None]]:
    """Registers a command. `formats`: it takes -o; `lists`: also --fields, --sort, and so on."""

    def register(function: Callable[..., int | None]) -> Callable[..., int | None]:
        wrapped = with_session(function, formats=formats, lists=lists)
        app.command(name, cls=cls, epilog=examples)(wrapped)
        return function

    return register
