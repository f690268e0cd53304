"""hai-cli quota list | allowances | set."""

from typing import Annotated, Any

import typer

from hai.cli.complete import complete_users
from hai.cli.dry_run import UPGRADE, agreed
from hai.cli.layouts import allowances_layout, quotas_layout
from hai.cli.limits import is_nodes, limits_of
from hai.cli.refs import DryRun, UserFilter
from hai.cli.session import Session, verb
from hai.console.commands import new_app

app = new_app(
    epilog="""
    hai-cli quota list
    hai-cli quota set alice node-training-HIGH=4
    hai-cli quota set vision train_environment:torch=1 cap:IPC_LOCK=1
    """
)


@app.callback()
def quota() -> None:
    """How many nodes users may hold at once, per group and priority: node-<group>-<PRIORITY>."""


@verb(app, "list", "hai-cli quota list\nhai-cli quota list -u alice -o json", lists=True)
def list_quotas(session: Session, *, user: UserFilter = None) -> None:
    """Limits and what of them is in use."""
    answer = session.client.call("quotas", params={"user": user})
    session.output.rows(answer["quotas"], quotas_layout())


@verb(app, "allowances", "hai-cli quota allowances\nhai-cli quota allowances -u alice", lists=True)
def list_allowances(session: Session, *, user: UserFilter = None) -> None:
    """What you may use besides nodes: images, capabilities, Unix groups, ... (-u all: every
    row)."""
    answer = session.client.call("allowances", params={"user": user})
    session.output.rows(answer["allowances"], allowances_layout())


@verb(
    app,
    "set",
    """
    hai-cli quota set alice node-training-HIGH=4
    hai-cli quota set '*' node-training-LOW=100 node-training-NORMAL=10
    """,
    lists=True,
)
def set_quotas(
    session: Session,
    user: Annotated[
        str,
        typer.Argument(
            metavar="USER",
            help="A user; '*' (or public) for everybody.",
            autocompletion=complete_users,
        ),
    ],
    limits: Annotated[
        list[str],
        typer.Argument(
            metavar="RESOURCE=N...", help="node-<group>-<PRIORITY>=N, or as in `quota allowances`."
        ),
    ],
    *,
    dry_run: DryRun = False,
) -> None:
    """Set limits (admins). A user's own limit wins over everybody's."""
    everybody = {word: word if user in ("*", "public") else user for word in ("*", "public")}
    wanted = limits_of(user, limits).items()
    nodes = [
        {"user": everybody["*"], "resource": name, "nodes": n}
        for name, n in wanted
        if is_nodes(name)
    ]
    others = [
        {"owner": everybody["public"], "resource": name, "amount": n}
        for name, n in wanted
        if not is_nodes(name)
    ]
    answer = _set(session, nodes, others, dry_run=dry_run)
    if nodes:
        session.output.rows(answer["quotas"], quotas_layout())
    if others:
        session.output.rows(answer["allowances"], allowances_layout())


def _set(
    session: Session, nodes: list[dict[str, Any]], others: list[dict[str, Any]], *, dry_run: bool
) -> dict[str, Any]:
    """Rows as the server has them then, of both kinds. All are checked before the first is
    written."""
    changes = {
        "put_allowances": {"allowances": others} if others else None,
        "set_quotas": {"quotas": nodes} if nodes else None,
    }
    asked = {name: body for name, body in changes.items() if body}
    answer: dict[str, Any] = {}
    if dry_run or len(asked) > 1:
        hint = UPGRADE if dry_run else "set node limits and the others in two commands"
        for name, body in asked.items():
            answer |= agreed(session, name, body=body, hint=hint)
    if dry_run:
        session.stderr.say("dry run: nothing was changed")
        return answer
    for name, body in asked.items():
        answer |= session.client.call(name, body=body)
    return answer
