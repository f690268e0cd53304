"""haienv add, drop, packages, snapshot, restore, diff, export, verify: what is installed."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hai.console.commands import HaiCommand
from hai.console.errors import Stderr
from hai.console.output import Column, Format, ListLayout, Output, parse_format
from hai.errors import InvalidInput, PlatformError
from haienv.index import Index, read
from haienv.lock import Lock, differences
from haienv.locked import lock_of
from haienv.model import Environment, check_name
from haienv.promises import changing
from haienv.requirements import Requirements, files_at, from_lock

if TYPE_CHECKING:
    from collections.abc import Mapping

_User = Annotated[str | None, typer.Option("--user", "-u", help="whose; default: yours")]
_OutputOption = Annotated[str, typer.Option("-o", "--output", help="table | json | yaml | …")]
_Packages = Annotated[list[str] | None, typer.Argument(help="as pip takes them: torch>=2.3")]
_Files = Annotated[list[str] | None, typer.Option("--requirement", "-r", help="a list of them")]
_Editable = Annotated[list[str] | None, typer.Option("--editable", "-e", help="a folder of code")]
_Upgrade = Annotated[bool, typer.Option("--upgrade", "-U", help="newer versions where possible")]
_FORMATS = ("requirements", "pylock", "lock")
_PIP_FLAGS = ("-q", "--quiet", "-y", "--yes", "--no-input", "--disable-pip-version-check")


def register(app: typer.Typer) -> None:
    """Adds the commands to `app`."""
    app.command(cls=HaiCommand)(add)
    app.command(cls=HaiCommand)(drop)
    app.command(cls=HaiCommand)(packages)
    app.command(cls=HaiCommand)(snapshot)
    app.command(cls=HaiCommand)(restore)
    app.command(cls=HaiCommand)(diff)
    app.command(cls=HaiCommand)(export)
    app.command(cls=HaiCommand)(verify)
    app.command(cls=HaiCommand, hidden=True, context_settings={"ignore_unknown_options": True})(pip)


def add(
    name: str,
    package: _Packages = None,
    requirement: _Files = None,
    editable: _Editable = None,
    lock: Annotated[str | None, typer.Option("--lock", help="uv.lock or pylock.toml")] = None,
    upgrade: _Upgrade = False,
) -> None:
    """Install packages into one of your environments; a layer takes only what its base lacks."""
    index = Index.of_process()
    environment = index.find(check_name(name))
    if lock is not None:
        if package or requirement or editable:
            raise InvalidInput("--lock says all there is to install", hint="give nothing else")
        wanted = from_lock(Path(lock))
    else:
        files = files_at(requirement or ())
        wanted = Requirements(tuple(package or ()), files, tuple(editable or ()))
    _add(index, environment, wanted, upgrade=upgrade)


def _add(index: Index, environment: Environment, wanted: Requirements, *, upgrade: bool) -> None:
    from haienv import adding

    adding.add(index, environment, wanted, _say, upgrade=upgrade)


def _tell(before: Lock, after: Lock) -> None:
    from haienv import adding

    adding.tell(before, after, _say)


def drop(name: str, package: Annotated[list[str], typer.Argument()]) -> None:
    """Remove packages from one of your environments."""
    index = Index.of_process()
    _drop(index, index.find(check_name(name)), package)


def _drop(index: Index, environment: Environment, names: list[str]) -> None:
    from haienv import packages as installing

    before = lock_of(environment)
    _tell(before, installing.drop(index, environment, names))


def packages(
    name: str,
    user: _User = None,
    everything: Annotated[bool, typer.Option("--all", "-a", help="with those of the base")] = False,
    output: _OutputOption = "table",
) -> None:
    """List what is installed in an environment."""
    from haienv.installed import installed_in
    from haienv.layer import base_packages

    environment = Index.of_process().find(name, user)
    own = installed_in([environment.site_dir])
    both = {**(base_packages(environment) if everything else {}), **own}
    rows: list[Mapping[str, Any]] = [
        {
            "package": both[key].name,
            "version": both[key].version,
            "in": "environment" if key in own else "base",
        }
        for key in sorted(both)
    ]
    columns = (Column("package", "PACKAGE"), Column("version", "VERSION"), Column("in", "IN"))
    layout = ListLayout(columns, "package", ("package", "version", "in"))
    Output(parse_format(output)).rows(rows, layout)


def snapshot(
    name: str,
    label: Annotated[str, typer.Option("--label", "-l", help="default: the identity")] = "",
    list_them: Annotated[bool, typer.Option("--list", help="list those there are")] = False,
    output: _OutputOption = "table",
) -> None:
    """Keep what is installed now, to go back to it."""
    from haienv import snapshots

    environment = Index.of_process().find(check_name(name))
    if not list_them:
        made = snapshots.take(environment, label)
        _say(f"kept; to go back: haienv restore {name} {made.label}")
        Output().text(made.identity)
        return
    rows: list[Mapping[str, Any]] = [
        {"label": one.label, "identity": one.identity, "made_at": one.made_at}
        for one in snapshots.snapshots(environment)
    ]
    columns = (Column("label", "LABEL"), Column("identity", "IDENTITY"))
    Output(parse_format(output)).rows(rows, ListLayout(columns, "label", ("label", "identity")))


def restore(name: str, snapshot: str) -> None:
    """Make an environment what it was at a snapshot (its label or identity)."""
    from haienv import snapshots

    index = Index.of_process()
    environment = index.find(check_name(name))
    before = lock_of(environment)
    _tell(before, snapshots.restore(index, environment, snapshot))


def diff(first: str, second: str, output: _OutputOption = "table") -> None:
    """Compare two environments, snapshots (NAME@LABEL) or locks (a file)."""
    from haienv.snapshots import lock_named

    index = Index.of_process()
    changes = differences(lock_named(index, first), lock_named(index, second))
    rows: list[Mapping[str, Any]] = [
        {"package": one.name, "first": one.before, "second": one.after} for one in changes
    ]
    columns = (Column("package", "PACKAGE"), Column("first", "FIRST"), Column("second", "SECOND"))
    layout = ListLayout(columns, "package", ("package", "first", "second"))
    Output(parse_format(output)).rows(rows, layout)


def export(
    name: str,
    user: _User = None,
    form: Annotated[
        str, typer.Option("--format", "-f", help=" | ".join(_FORMATS))
    ] = "requirements",
) -> None:
    """Print what is installed, to make it elsewhere: haienv create NEW -r FILE."""
    from haienv.exporting import pylock

    if form not in _FORMATS:
        raise InvalidInput(f"no format {form[:80]!r}", hint=f"use one of {', '.join(_FORMATS)}")
    index = Index.of_process()
    environment = index.find(name, user)
    lock = lock_of(environment)
    if form == "lock":
        Output().raw(lock.text())
    elif form == "pylock":
        Output().raw(pylock(index, environment, lock))
    else:
        Output().raw("".join(f"{lock.pins[key]}\n" for key in sorted(lock.pins)))


def verify(name: str, user: _User = None, output: _OutputOption = "table") -> None:
    """Check the files of an environment against what its packages say of themselves."""
    from haienv.verify import verify as faults_of

    environment = Index.of_process().find(name, user)
    faults = faults_of(environment)
    rows: list[Mapping[str, Any]] = [
        {"package": one.package, "fault": one.what, "path": one.path} for one in faults
    ]
    columns = (Column("package", "PACKAGE"), Column("fault", "FAULT"), Column("path", "PATH"))
    layout = ListLayout(columns, "package", ("package", "fault", "path"))
    out = Output(parse_format(output))
    if rows or out.format is not Format.TABLE:
        out.rows(rows, layout)
    if faults:
        raise PlatformError(
            f"{name!r} has {len(faults)} fault(s)",
            hint=f"haienv snapshot {name} --list, then haienv restore; or make it anew",
        )
    _say(f"{environment.path} is sound")


def pip(path: Annotated[str, typer.Option("--path")], word: list[str]) -> None:
    """What `pip install` in an environment means where HAIENV_PIP=uv; `keep`: what pip itself is
    to wait for."""
    folder = Path(path)
    environment = read(folder, Index.of_process().user)
    verb, *words = [one for one in word if one not in _PIP_FLAGS]
    if verb == "keep":
        with changing(environment):
            return
    index = Index(environment.owner, folder.parent, None)
    lines: list[str] = []
    files: list[str] = []
    editable: list[str] = []
    upgrade = False
    while words:
        one = words.pop(0)
        if one in ("-r", "--requirement", "-e", "--editable") and words:
            (files if "r" in one[:3] else editable).append(words.pop(0))
        elif one in ("-U", "--upgrade"):
            upgrade = True
        elif one.startswith("-"):
            raise InvalidInput(
                f"haienv does not know {one} of pip",
                hint="unset HAIENV_PIP, and pip itself takes it",
            )
        else:
            lines.append(one)
    if verb == "uninstall":
        _drop(index, environment, lines)
        return
    wanted = Requirements(tuple(lines), tuple(map(Path, files)), tuple(editable))
    _add(index, environment, wanted, upgrade=upgrade)


def _say(text: str) -> None:
    Stderr(program="haienv").say(text)
