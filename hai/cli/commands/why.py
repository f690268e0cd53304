"""hai-cli why TASK."""

from typing import Annotated

import typer

from hai.cli.complete import complete_tasks
from hai.cli.foretelling import tell_why, why_layout
from hai.cli.refs import ExpType, resolve_ref
from hai.cli.session import Session, verb
from hai.console.commands import UsageError, new_app, option
from hai.console.output import Format

app = new_app()
_FLAT = (Format.NAME, Format.CSV)

Accuracy = Annotated[
    bool, option("--accuracy", help="How good the server's estimates of starts have been.")
]


@verb(
    app,
    "why",
    """
    hai-cli why 12             why it waits, what would help, when it may start
    hai-cli why train.py       a running task: how long it may stay; a suspended one: who took over
    hai-cli why @last -o json
    hai-cli why --accuracy     how good the estimates were
    """,
)
def why(
    session: Session,
    exp: Annotated[
        str | None,
        typer.Argument(
            metavar="EXP",
            help="id, name, @last, or a .yml/.yaml file.",
            autocompletion=complete_tasks,
        ),
    ] = None,
    *,
    accuracy: Accuracy = False,
    exp_type: ExpType = "auto",
) -> None:
    """Why a task is where it is, in plain words: what it waits for, who is ahead, changes that were
    tried on the scheduler and would help, and an estimated start."""
    if accuracy:
        session.output.document(session.client.call("estimates"))
        return
    if exp is None:
        raise UsageError("EXP is missing", session.context)
    view = session.client.call("why", ref=resolve_ref(exp, exp_type))
    if session.output.format.is_for_people:
        session.output.text("\n".join(tell_why(view, session.now)))
    elif session.output.format in _FLAT:
        session.output.item(view, why_layout())
    else:
        session.output.document(view)
