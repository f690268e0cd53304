"""hai-server: run the daemon, bring its database up to date, check its configuration."""

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from hai import __version__
from hai.core.server_role import ServerRole
from hai.errors import HaiError, InvalidInput, PlatformError

app = typer.Typer(
    help="The HAI server. hai-up run starts it for you.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,  # they would print local variables, and those hold secrets
    context_settings={"help_option_names": ["-h", "--help"]},
)

ConfigFile = Annotated[
    Path | None, typer.Option("--config", "-c", help="override.toml; HAI_* variables win over it.")
]


def main() -> None:
    """Console entry: errors on one line of stderr, exit code 1 (2 for bad input)."""
    try:
        app(prog_name="hai-server")
    except ModuleNotFoundError as error:
        hint = "pip install 'hai-platform[server]'"
        _leave(PlatformError(f"{error.name} is not installed: no server extra", hint=hint))
    except HaiError as error:
        _leave(error)


def _leave(error: HaiError) -> NoReturn:
    hint = f"\n  hint: {error.hint}" if error.hint else ""
    print(f"hai-server: {error.message}{hint}", file=sys.stderr)  # noqa: T201 - narration
    sys.exit(2 if isinstance(error, InvalidInput) else 1)


RoleName = Annotated[
    ServerRole | None,
    typer.Option(
        "--role",
        help="api: answers users and agents; control: runs the loops, as soon as it leads; "
        "all: both (default).",
    ),
]


@app.callback(invoke_without_command=True)
def _root(
    context: typer.Context,
    role: RoleName = None,
    config: ConfigFile = None,
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    """The HAI server. hai-up run starts it for you.

    `hai-server --role ROLE` is short for `hai-server run --role ROLE`.
    """
    if version:
        typer.echo(__version__)
        raise typer.Exit
    command = context.invoked_subcommand
    if command is None and role is not None:
        _run(config, role)
    elif command == "run":
        context.obj = (config, role)
    elif role is not None or config is not None:
        raise InvalidInput(
            "--role is for run, and --config stands behind the command",
            hint=f"hai-server {command or 'run'} --config FILE",
        )


@app.command()
def run(context: typer.Context, config: ConfigFile = None, role: RoleName = None) -> None:
    """Serve in the foreground until SIGTERM or SIGINT; workers outlive the server."""
    before = context.obj or (None, None)  # what stood in front of the command
    _run(config or before[0], role or before[1])


def _run(config: Path | None, role: ServerRole | None) -> None:
    os.umask(os.umask(0o022) | 0o022)  # nobody else writes what the server and its agents write
    import structlog

    from hai.server.daemon import serve
    from hai.server.logging import setup_logging
    from hai.settings import load_settings

    values = {} if role is None else {"server": {"role": role.value}}
    settings = load_settings(config, **values)
    setup_logging(settings.logs.level, json_format=settings.logs.json_format)
    for note in settings.notes:
        structlog.get_logger("hai.server").warning("setting_without_effect", note=note)
    serve(settings)


@app.command()
def check(config: ConfigFile = None) -> None:
    """Check the configuration; print it without secrets."""
    from hai.settings import load_settings

    settings = load_settings(config)
    for note in settings.notes:
        typer.echo(f"note: {note}", err=True)
    typer.echo(settings.model_dump_json(indent=2))


@app.command()
def bootstrap(config: ConfigFile = None) -> None:
    """Bring the database up to date, then apply a JSON document from stdin.

    Keys: user {name, role, uid}, groups, nodes, quotas, replace_nodes, new_token. Prints
    {"token": ...}, the secret of a new user, on stdout.
    """
    from hai.server.logging import setup_logging
    from hai.settings import load_settings

    settings = load_settings(config)
    setup_logging("warning", json_format=False)
    try:
        document = json.load(sys.stdin)
    except ValueError as error:
        raise InvalidInput(f"stdin is no JSON: {error}") from None
    typer.echo(json.dumps({"token": asyncio.run(_bootstrap(settings, document))}))


async def _bootstrap(settings: Any, document: Any) -> str | None:
    from hai.server.compose import open_settings_store
    from hai.service.bootstrap import Bootstrap
    from hai.service.clock import SystemClock
    from hai.service.users import UserService

    if not isinstance(document, dict):
        raise InvalidInput("a JSON object is expected on stdin")
    clock = SystemClock()
    store = open_settings_store(settings)
    await store.open()
    try:
        users = UserService(store, clock, needs_uid=os.geteuid() == 0)
        sections = {"kubernetes": settings.kubernetes, "docker": settings.docker}
        joining = [name for name, section in sections.items() if section.is_enabled]
        return (await Bootstrap(store, users, clock, joining=joining).apply(document)).secret
    finally:
        await store.close()


@app.command("import")
def import_rows(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="init.sql; - for stdin.")],
    config: ConfigFile = None,
    *,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would change, change nothing.")
    ] = False,
) -> None:
    """Import rows that the original platform's admins wrote: the INSERTs of an init.sql.

    They are read as data: no SQL of the file is run. Importing twice is importing once.
    """
    from hai.server.logging import setup_logging
    from hai.service.import_sql.text import MOST_BYTES, decoded
    from hai.settings import load_settings

    settings = load_settings(config)
    setup_logging("warning", json_format=False)
    try:
        with sys.stdin.buffer if str(file) == "-" else file.open("rb") as stream:
            source = decoded(
                "stdin" if str(file) == "-" else file.name, stream.read(MOST_BYTES + 1)
            )
    except OSError as error:
        raise InvalidInput(f"{file}: {error.strerror}") from None
    done = asyncio.run(_import(settings, source, dry_run=dry_run))
    for line in done.changes:
        typer.echo(line)
    for note in done.notes:
        typer.echo(f"note: {note}", err=True)
    verb = "would change" if dry_run else "changed"
    typer.echo(f"{verb} {len(done.changes)} rows; {done.unchanged} were so already", err=True)


async def _import(settings: Any, source: Any, *, dry_run: bool) -> Any:
    from hai.server.compose import open_settings_store
    from hai.service.clock import SystemClock
    from hai.service.import_sql.importing import Importer
    from hai.service.users import UserService

    clock = SystemClock()
    store = open_settings_store(settings)
    await store.open()
    try:
        users = UserService(store, clock, needs_uid=os.geteuid() == 0)
        return await Importer(store, users, clock).run(source, dry_run=dry_run)
    finally:
        await store.close()


if __name__ == "__main__":
    main()
