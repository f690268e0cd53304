"""hai-cli cp."""

from typing import Annotated

import typer

from hai.cli.refs import ExpType, resolve_ref
from hai.cli.session import Session, verb
from hai.console.commands import new_app, option
from hai.console.terminal import printable
from hai.errors import InvalidInput

app = new_app()


@verb(
    app,
    "cp",
    """
    hai-cli cp 12:ckpt/last.pt .           from task 12, below its working folder
    hai-cli cp train.py:/tmp/trace traces  a folder, with all that is in it
    hai-cli cp fix.py data 12:             to it
    """,
    formats=False,
)
def cp(
    session: Session,
    paths: Annotated[
        list[str], typer.Argument(metavar="SOURCE... TARGET", help="A path here, or EXP:PATH.")
    ],
    *,
    rank: Annotated[int, option("--rank", metavar="R", help="Which rank.")] = 0,
    exp_type: ExpType = "auto",
) -> int:
    """Copy files and folders out of a running task, or into it.

    Permissions, times and links within a folder are kept. Nothing but Python is needed there."""
    from hai.cli.remote.copying import CopyLocation, copy, parse_spot

    if len(paths) < 2:
        raise InvalidInput("cp needs a source and a target", hint="hai-cli cp 12:ckpt .")
    spots = [parse_spot(path) for path in paths]
    spots = [
        CopyLocation(resolve_ref(one.ref, exp_type) if one.ref else "", one.path) for one in spots
    ]
    done = copy(session, spots[:-1], spots[-1], rank)
    for link in done.skipped:
        session.stderr.warn(printable(f"not copied: the link {link} leads out of the folder"))
    files = "1 file" if done.files == 1 else f"{done.files} files"
    session.stderr.say(f"copied {files}, {done.bytes:,} bytes")
    return 0
