"""hai-cli ssh."""

import sys
from typing import Annotated

import typer

from hai.cli.complete import complete_tasks
from hai.cli.refs import DryRun, ExpType, resolve_ref
from hai.cli.session import Session, verb
from hai.console.commands import UsageError, new_app, option

app = new_app()


@verb(
    app,
    "ssh",
    """
    hai-cli ssh 12                           OpenSSH into task 12
    hai-cli ssh 12 --rank 1 -- nvidia-smi    one command in its rank 1
    hai-cli ssh --config                     from now on: ssh hai-12, scp, rsync, git, VS Code
    """,
    formats=False,
)
def ssh(  # noqa: PLR0913 (one parameter per option)
    session: Session,
    exp: Annotated[
        str | None,
        typer.Argument(
            metavar="EXP", help="id, name or @last of a task.", autocompletion=complete_tasks
        ),
    ] = None,
    command: Annotated[
        list[str] | None,
        typer.Argument(metavar="-- COMMAND...", help="What ssh runs there."),
    ] = None,
    *,
    rank: Annotated[int, option("--rank", metavar="R", help="Which rank.")] = 0,
    config: Annotated[
        bool, option("--config", help="Write the entry for hosts hai-*, and let ssh read it.")
    ] = False,
    proxy: Annotated[bool, option("--proxy", hidden=True, help="Be ssh's ProxyCommand.")] = False,
    dry_run: DryRun = False,
    exp_type: ExpType = "auto",
) -> int:
    """OpenSSH into a running task, through the platform: no port, no address, no password.

    The task's image needs openssh-server. Connections end when the task does."""
    from hai.cli.remote import openssh

    if config:
        return _configure(session, dry_run=dry_run)
    if exp is None:
        raise UsageError("EXP is missing", session.context)
    if proxy:
        return openssh.proxy(session, exp, (command or [""])[0])
    words = openssh.command(session, resolve_ref(exp, exp_type), rank, command or [])
    if dry_run:
        session.stderr.say(" ".join(words))
        return 0
    sys.stdout.flush()
    return openssh.run(words)


def _configure(session: Session, *, dry_run: bool) -> int:
    from hai.cli.remote import openssh

    if dry_run:
        sys.stdout.write(openssh.entry(session, openssh.OpenSshFolder(session.environ)))
        return 0
    path = openssh.write_entry(session)
    changed = openssh.include(path)
    if changed is not None:
        session.stderr.say(f"{changed} includes {path} now")
    session.stderr.say("`ssh hai-12` goes into task 12, `ssh hai-12.1` into its rank 1")
    return 0
