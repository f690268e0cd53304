"""haienv run, hook, kernels, share, unshare, gc: using environments, alone and with others."""

import os
import sys
from typing import Annotated

import typer

from hai.console.commands import HaiCommand
from hai.console.errors import Stderr
from hai.console.output import Output
from hai.errors import InvalidInput, NotFound
from haienv.index import Index
from haienv.model import activation, check_name
from haienv.shell import SHELLS, hook

_User = Annotated[str | None, typer.Option("--user", "-u", help="whose; default: yours")]


def register(app: typer.Typer) -> None:
    """Adds the commands to `app`."""
    passed_on = {"ignore_unknown_options": True, "allow_interspersed_args": False}
    app.command(cls=HaiCommand, context_settings=passed_on)(run)
    app.command(cls=HaiCommand, name="hook")(hook_command)
    app.command(cls=HaiCommand)(kernels)
    app.command(cls=HaiCommand)(share)
    app.command(cls=HaiCommand)(unshare)
    app.command(cls=HaiCommand)(gc)


def run(name: str, command: Annotated[list[str], typer.Argument()], user: _User = None) -> None:
    """Run a command in an environment: haienv run NAME -- python train.py."""
    changes = activation(Index.of_process().find(name, user))
    variables = {**os.environ, **changes.joined(os.environ)}
    for key in changes.removed:
        variables.pop(key, None)
    words = command[1:] if command[:1] == ["--"] else command
    if not words:
        raise InvalidInput("name a command", hint=f"haienv run {name} -- python train.py")
    sys.stdout.flush()
    try:
        os.execvpe(words[0], words, variables)  # noqa: S606 (that is what the user asks for)
    except FileNotFoundError:
        raise NotFound(
            f"{name!r} has no program {words[0][:80]!r}, and neither has PATH",
            hint=f"haienv add {name} PACKAGE installs one",
        ) from None


def hook_command(shell: Annotated[str, typer.Argument(help=" | ".join(SHELLS))]) -> None:
    """Print what makes `haienv activate NAME` work: haienv hook fish | source."""
    Output().raw(hook(known_shell(shell)))


def known_shell(name: str) -> str:
    """`name`, if haienv knows that shell. Raises InvalidInput."""
    if name not in SHELLS:
        raise InvalidInput(f"no shell {name[:80]!r}", hint=f"use one of {', '.join(SHELLS)}")
    return name


def kernels(
    everybody: Annotated[bool, typer.Option("--all", "-a", help="of all users")] = False,
) -> None:
    """Make each environment that has ipykernel a kernel of your Jupyter."""
    from haienv.kernels import kernel_folder, write_kernels

    index = Index.of_process()
    found = index.environments()
    if everybody:
        for owner in index.owners():
            found += index.environments(owner) if owner != index.user else []
    folder = kernel_folder()
    folder.mkdir(parents=True, exist_ok=True)
    names = write_kernels(found, folder, os.environ.get("PATH", os.defpath))
    _say(f"{len(names)} kernel(s) in {folder}")
    Output().raw("".join(f"{name}\n" for name in names))


def share(name: str, user: str) -> None:
    """Let one other user read and run an environment that is closed to others."""
    from haienv.sharing import share as open_to

    index = Index.of_process()
    open_to(index, index.find(check_name(name)), user)
    _say(f"{user} can use it: source haienv '{name}[{index.user}]'")


def unshare(name: str, user: str) -> None:
    """Take back what `share` gave."""
    from haienv.sharing import share as open_to

    index = Index.of_process()
    open_to(index, index.find(check_name(name)), user, stop=True)


def gc(
    keep_days: Annotated[
        int, typer.Option("--keep-days", help="packs of tasks: so long after their last use")
    ] = 30,
) -> None:
    """Free space: what interrupted commands left, packs that no task used for long, and what the
    cache keeps for nobody."""
    from haienv.sharing import collect

    if keep_days < 0:
        raise InvalidInput(f"--keep-days is {keep_days}", hint="give 0 or more days")
    collect(Index.of_process(), keep_days, _say)


def _say(text: str) -> None:
    Stderr(program="haienv").say(text)
