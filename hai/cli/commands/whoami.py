"""hai-cli whoami."""

from collections.abc import Mapping
from typing import Annotated, Any

from hai.cli.layouts import quotas_layout
from hai.cli.session import Session, verb
from hai.console.commands import new_app, option
from hai.console.output import Format, ListLayout
from hai.console.terminal import printable

app = new_app()
_FIELDS = ("user", "quotas", "server_version")


@verb(app, "whoami", "hai-cli whoami\nhai-cli whoami -o json | jq .user.name", lists=True)
def whoami(
    session: Session,
    *,
    ascii_only: Annotated[
        bool, option("-a", "--ascii", help="Accepted: the bars are plain text anyway.")
    ] = False,
) -> None:
    """Who you are, on which server, and how much of your quota is in use."""
    found = session.client.call("whoami")
    output = session.output
    if output.format in (Format.JSON, Format.YAML, Format.JSONL) or output.fields:
        output.item(found, ListLayout((), "user", _FIELDS))
    elif output.format is Format.NAME:
        output.text(str(found["user"]["name"]))
    elif output.format is Format.CSV:
        output.rows(found["quotas"], quotas_layout())
    else:
        output.text(_head(session, found))
        if found["quotas"]:
            output.rows(found["quotas"], quotas_layout())
        else:
            session.stderr.say("you have no quota: ask an admin for `hai-cli quota set`")


def _head(session: Session, found: Mapping[str, Any]) -> str:
    user = found["user"]
    uid = "the server's own" if user["uid"] is None else user["uid"]
    lines = [
        f"user     {user['name']} ({user['role']})",
        f"runs as  uid {uid}" if user["uid"] is not None else f"runs as  {uid}",
        f"server   {session.profile.url} (HAI {found['server_version']})",
    ]
    return "".join(printable(line) + "\n" for line in lines) + ("\n" if found["quotas"] else "")
