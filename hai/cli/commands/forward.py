"""hai-cli port-forward."""

from typing import Annotated

import typer

from hai.cli.refs import Exp, ExpType, resolve_ref
from hai.cli.session import Session, verb
from hai.console.commands import new_app, option

app = new_app()


@verb(
    app,
    "port-forward",
    """
    hai-cli port-forward 12 8888:8888            http://127.0.0.1:8888 here is port 8888 there
    hai-cli port-forward train.py 6006 9000:80   several at once
    hai-cli port-forward 12 :6006 --rank 1       any free port here
    """,
    formats=False,
)
def port_forward(
    session: Session,
    exp: Exp,
    ports: Annotated[
        list[str], typer.Argument(metavar="[HERE:]THERE...", help="8888, 9000:8888, :8888.")
    ],
    *,
    rank: Annotated[int, option("--rank", metavar="R", help="Which rank.")] = 0,
    exp_type: ExpType = "auto",
) -> int:
    """Make ports of a running task reachable at this machine's loopback, until Ctrl-C.

    What listens there may listen on its loopback alone. Ends when the task does."""
    from hai.cli.remote.forward import parse_forward, run

    run(session, resolve_ref(exp, exp_type), rank, [parse_forward(port) for port in ports])
    return 0
