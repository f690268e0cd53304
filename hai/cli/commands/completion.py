"""hai-cli completion."""

import os
from pathlib import Path
from typing import Annotated

import typer

from hai.cli.session import Session, verb
from hai.console.commands import new_app
from hai.errors import InvalidInput

app = new_app()
SHELLS = ("bash", "zsh", "fish")


@verb(
    app,
    "completion",
    """
    eval "$(hai-cli completion bash)"            this shell, now
    hai-cli completion zsh > ~/.zfunc/_hai-cli   where your shell looks for it
    hai-cli --install-completion                 let hai-cli edit your shell's start-up file
    """,
    formats=False,
)
def completion(
    session: Session,
    shell: Annotated[
        str | None,
        typer.Argument(metavar="[SHELL]", help="bash, zsh or fish; default: yours ($SHELL)."),
    ] = None,
) -> None:
    """Print the completion script of a shell. Tab then knows commands, options, task names, groups
    and priorities."""
    chosen = shell or Path(os.environ.get("SHELL", "")).name
    if chosen not in SHELLS:
        raise InvalidInput(
            f"no completion for {chosen or 'an unknown shell'}", hint=f"choose {', '.join(SHELLS)}"
        )
    from typer._completion_shared import get_completion_script

    program = session.context.find_root().info_name
    variable = f"_{program}_COMPLETE".replace("-", "_").upper()
    session.output.text(
        get_completion_script(prog_name=program, complete_var=variable, shell=chosen)
    )
