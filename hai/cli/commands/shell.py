"""hai-cli shell."""

from typing import Annotated

import typer

from hai.cli.refs import Exp, ExpType, resolve_ref
from hai.cli.remote.ranks import parse_ranks
from hai.cli.session import Session, verb
from hai.console.commands import new_app, option
from hai.errors import InvalidInput

app = new_app()


@verb(
    app,
    "shell",
    """
    hai-cli shell 12                           a shell beside the program of task 12
    hai-cli shell train.py --rank 1            beside that of its rank 1
    hai-cli shell 12 -- nvidia-smi             one command; its exit code is kept
    hai-cli shell 12 --rank all -- 'free -h'   in every rank, each line with its rank
    """,
    formats=False,
)
def shell(
    session: Session,
    exp: Exp,
    command: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="-- COMMAND...", help="What to run instead; a single word is a line of shell."
        ),
    ] = None,
    *,
    rank: Annotated[
        str, option("--rank", metavar="R", help="Which rank: 0, 0-3, 0,2 or all.")
    ] = "0",
    exp_type: ExpType = "auto",
) -> int:
    """A shell in a running task: as its user, with its variables, in its folder.

    A terminal is made when this command has one. Ends when the task does."""
    from hai.cli.remote.terminal import run_all, run_one

    ref = resolve_ref(exp, exp_type)
    argv = command or []
    ranks = parse_ranks(session, ref, rank)
    if len(ranks) == 1:
        return run_one(session, ref, ranks[0], argv)
    if not argv:
        raise InvalidInput(
            "several ranks need a command", hint="hai-cli shell EXP --rank all -- nvidia-smi"
        )
    return run_all(session, ref, ranks, argv)
