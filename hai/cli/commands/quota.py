"""hai-cli quota list | set."""

from typing import Annotated, Any

import typer

from hai.cli.complete import complete_users
from hai.cli.framework import new_app
from hai.cli.layouts import quotas_layout
from hai.cli.refs import DryRun, UserFilter
from hai.cli.session import Session, verb
from hai.core.quota import parse_resource
from hai.errors import InvalidInput

app = new_app(
    epilog="""
    hai-cli quota list
    hai-cli quota set alice node-training-HIGH=4
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
            metavar="USER", help="A user, or '*' for everybody.", autocompletion=complete_users
        ),
    ],
    limits: Annotated[
        list[str], typer.Argument(metavar="RESOURCE=NODES...", help="node-<group>-<PRIORITY>=N")
    ],
    *,
    dry_run: DryRun = False,
) -> None:
    """Set limits (admins). A user's own limit wins over everybody's."""
    rows = [_row(user, text) for text in limits]
    if dry_run:
        session.stderr.say("dry run: nothing was changed")
        shown = [_shown(row) for row in rows]
    else:
        shown = session.client.call("set_quotas", body={"quotas": rows})["quotas"]
    session.output.rows(shown, quotas_layout())


def _row(user: str, text: str) -> dict[str, Any]:
    resource, equals, count = text.partition("=")
    if not equals or not count.isdigit():
        raise InvalidInput(f"{text!r} sets no limit", hint="write node-training-HIGH=4")
    try:
        parse_resource(resource)
    except ValueError as error:
        raise InvalidInput(str(error), hint="write node-training-HIGH=4") from None
    return {"user": user, "resource": resource, "nodes": int(count)}


def _shown(row: dict[str, Any]) -> dict[str, Any]:
    group, level = parse_resource(row["resource"])
    return {**row, "group": group, "priority": level.name}
