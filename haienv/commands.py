"""The command haienv. Entering an environment is done by the shell: `source haienv NAME`."""

import os
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from hai.console.commands import HaiCommand, HaiGroup, new_app
from hai.console.errors import Stderr
from hai.console.output import Column, Format, ListLayout, Output, parse_format
from hai.console.tools import run_app
from hai.errors import Conflict, HaiError, InvalidInput
from haienv import build, creating, package_commands, use_commands
from haienv.creating import CreateRequest
from haienv.images import offered_images
from haienv.index import Index
from haienv.model import Environment, Extras, check_name, parse_variable
from haienv.shell import SHELLS, activation_code, fish_activation
from haienv.use_commands import known_shell

_HELP = """Python environments on the shared file system.

\b
  haienv create vision              layer over the present Python: install only what differs
  haienv add vision einops          install into it (uv; it does not touch what the base has)
  source haienv vision              use it in this shell (bash, zsh); `deactivate` leaves it
  source haienv 'vision[alice]'     use that of another user
"""
_KEYS = ("extra-search-dir", "extra-search-bin-dir", "extra-environment")
_COLUMNS = (
    Column("user", "USER"),
    Column("name", "NAME"),
    Column("py", "PY"),
    Column("extend", "EXTEND", show=lambda item: "yes" if item["extend"] else "no"),
    Column("extend_env", "EXTENDS", cut=True),
    Column("path", "PATH", cut=True),
)
_LAYOUT = ListLayout(_COLUMNS, "name", tuple(column.key for column in _COLUMNS))

app = new_app(help=_HELP, no_args_is_help=True)
config = typer.Typer(cls=HaiGroup, help="Search directories and variables of an environment.")
app.add_typer(config, name="config")

_User = Annotated[str | None, typer.Option("--user", "-u", help="whose; default: yours")]
_Yes = Annotated[bool, typer.Option("--yes", "-y", help="do not ask")]
_NameOption = Annotated[str, typer.Option("--name", "-n", help="the environment")]
_KeyOption = Annotated[str, typer.Option("--key", "-k", help=" | ".join(_KEYS))]


@app.command(cls=HaiCommand)
def create(  # noqa: PLR0913 - one argument per option
    name: str,
    no_extend: Annotated[
        bool, typer.Option("--no_extend", "--no-extend", help="see no other environment's packages")
    ] = False,
    py: Annotated[
        str,
        typer.Option("--py", "-p", help="version or path [env HAIENV_PY; default: the present]"),
    ] = "",
    search_dir: Annotated[list[str] | None, typer.Option("--extra-search-dir")] = None,
    search_bin_dir: Annotated[list[str] | None, typer.Option("--extra-search-bin-dir")] = None,
    variable: Annotated[
        list[str] | None, typer.Option("--extra-environment", metavar="KEY=VALUE")
    ] = None,
    extend: Annotated[
        str, typer.Option("--extend", metavar="NAME", help="a layer over this environment")
    ] = "",
    requirement: Annotated[
        list[str] | None, typer.Option("--requirement", "-r", help="install what this file lists")
    ] = None,
    lock: Annotated[
        str | None, typer.Option("--lock", help="uv.lock or pylock.toml: install just that")
    ] = None,
    from_conda: Annotated[
        str | None, typer.Option("--from-conda", help="environment.yml, from PyPI")
    ] = None,
    skip_missing: Annotated[
        bool, typer.Option("--skip-missing", help="go on without what conda alone can provide")
    ] = False,
    private: Annotated[bool, typer.Option("--private", help="closed to others")] = False,
    yes: _Yes = False,
) -> None:
    """Make an environment: a layer over the present one, or with --no_extend an empty one."""
    order = CreateRequest(
        name,
        no_extend,
        py,
        extend,
        Extras(
            tuple(str(Path(path).absolute()) for path in search_dir or ()),
            tuple(str(Path(path).absolute()) for path in search_bin_dir or ()),
            dict(map(parse_variable, variable or ())),
        ),
        tuple(requirement or ()),
        lock,
        from_conda,
        skip_missing=skip_missing,
        private=private,
    )

    def agree() -> None:
        if not yes and sys.stdin.isatty():
            typer.confirm("create it?", default=True, abort=True, err=True)

    creating.create(order, _say, agree)


@app.command(cls=HaiCommand, name="list")
def list_environments(
    user: _User = None,
    everybody: Annotated[bool, typer.Option("--all", "-a", help="of all users")] = False,
    output: Annotated[
        str, typer.Option("-o", "--output", help="table | json | yaml | …")
    ] = "table",
) -> None:
    """List environments, and those that images bring: hai-cli python x.py -- -i NAME.

    JSON and YAML: {"own": [...], "others": [...], "images": [...]}."""
    index = Index.of_process()
    out = Output(parse_format(output))
    own = [] if user and user != index.user else _rows(index.environments())
    owners = [user] if user else index.owners() if everybody else []
    images = [] if user else offered_images()
    others = []
    for owner in owners:
        if owner != index.user:
            others += _others(index, owner, strict=bool(user))
    if out.format in (Format.JSON, Format.YAML):
        out.document({"schema_version": 1, "own": own, "others": others, "images": images})
    else:
        rows = [*own, *others, *images]
        out.rows(rows, _LAYOUT)
        if not rows and out.format.is_for_people:
            _say("no environments: haienv create NAME makes one")


def _others(index: Index, owner: str, *, strict: bool) -> list[Mapping[str, Any]]:
    try:
        return _rows(index.environments(owner))
    except HaiError as error:
        if strict:
            raise
        _stderr().warn(error.message)
        return []


def _rows(environments: list[Environment]) -> list[Mapping[str, Any]]:
    return [
        {
            "user": one.owner,
            "name": one.name,
            "path": str(one.path),
            "extend": one.extends is not None,
            "extend_env": one.extends,
            "py": one.python,
            "created_at": one.created_at,
        }
        for one in environments
    ]


@app.command(cls=HaiCommand)
def remove(name: str, yes: _Yes = False) -> None:
    """Remove one of your environments with all that is installed in it."""
    index = Index.of_process()
    environment = index.find(check_name(name))
    if _active_path() == environment.path:
        raise Conflict(f"this shell uses {name!r}", hint="type deactivate first")
    if not yes:
        if not sys.stdin.isatty():
            raise InvalidInput("nobody is here to confirm", hint=f"haienv remove {name} --yes")
        typer.confirm(f"remove {environment.path} and all in it?", abort=True, err=True)
    build.remove(index, name)
    _say(f"removed {environment.path}")


@app.command(cls=HaiCommand)
def path(name: str, user: _User = None) -> None:
    """Print where an environment lies (for options.py_venv of a task)."""
    Output().text(str(Index.of_process().find(name, user).path))


@app.command(cls=HaiCommand, hidden=True)
def shell(
    name: Annotated[str, typer.Argument()] = "",
    user: _User = None,
    language: Annotated[str, typer.Option("--shell", help=" | ".join(SHELLS))] = "bash",
) -> None:
    """Print the shell code that enters an environment: eval "$(haienv shell NAME)"."""
    if not name:
        raise InvalidInput(
            "name an environment: source haienv NAME", hint="haienv list shows which there are"
        )
    environment = Index.of_process().find(name, user)
    is_fish = known_shell(language) == "fish"
    Output().raw(fish_activation(environment) if is_fish else activation_code(environment))


@config.command(cls=HaiCommand, name="show")
def config_show(name: _NameOption, user: _User = None) -> None:
    """Show an environment's search directories and variables."""
    extras = Index.of_process().find(name, user).extras
    values = (list(extras.search_dirs), list(extras.search_bin_dirs), dict(extras.variables))
    Output().document(dict(zip(_KEYS, values, strict=True)))


@config.command(cls=HaiCommand, name="append")
def config_append(
    name: _NameOption, key: _KeyOption, value: Annotated[str, typer.Option("--value", "-v")]
) -> None:
    """Add a directory, or set a variable (KEY=VALUE)."""
    directory = (str(Path(value).absolute()),)
    match _known_key(key):
        case "extra-search-dir":
            added = Extras(search_dirs=directory)
        case "extra-search-bin-dir":
            added = Extras(search_bin_dirs=directory)
        case _:
            added = Extras(variables=dict([parse_variable(value)]))
    build.change(Index.of_process(), name, lambda extras: extras.joined(added))


@config.command(cls=HaiCommand, name="clear")
def config_clear(name: _NameOption, key: _KeyOption) -> None:
    """Forget all directories or variables of one kind."""
    nothing: dict[str, dict[str, Any]] = {
        "extra-search-dir": {"search_dirs": ()},
        "extra-search-bin-dir": {"search_bin_dirs": ()},
        "extra-environment": {"variables": {}},
    }
    known = _known_key(key)
    build.change(Index.of_process(), name, lambda extras: replace(extras, **nothing[known]))


def _known_key(key: str) -> str:
    known = key.replace("_", "-")
    if known not in _KEYS:
        raise InvalidInput(f"no key {key[:80]!r}", hint=f"use one of {', '.join(_KEYS)}")
    return known


def _active_path() -> Path | None:
    active = os.environ.get("HF_ENV_PATH")
    return Path(active) if active else None


def _stderr() -> Stderr:
    return Stderr(program="haienv")


def _say(text: str) -> None:
    _stderr().say(text)


package_commands.register(app)
use_commands.register(app)


def main() -> NoReturn:
    """Runs the command line."""
    run_app(app, _stderr())
