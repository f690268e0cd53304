"""hai-cli users list | add | set | token | tokens | revoke."""

from typing import Annotated

import typer

from hai.cli.complete import complete_users
from hai.cli.dry_run import agreed
from hai.cli.grammar import parse_duration
from hai.cli.layouts import token_rows_layout, tokens_layout, users_layout
from hai.cli.refs import DryRun
from hai.cli.session import Session, verb
from hai.console.commands import new_app, option
from hai.console.output import Format
from hai.errors import InvalidInput

app = new_app(
    epilog="""
    hai-cli users list
    hai-cli users add alice --uid 1001 --team vision
    hai-cli users set alice --group ops
    hai-cli users token alice --expires 30d
    """
)
_LONGEST_SECONDS = 100 * 365 * 86400  # as the server has it
Name = Annotated[
    str, typer.Argument(metavar="NAME", help="User name.", autocompletion=complete_users)
]

Uid = Annotated[
    int | None,
    option(
        "--uid",
        metavar="UID",
        help="Unix user that the programs run as.",
        show_default="the server's own",
    ),
]
Gid = Annotated[
    int | None,
    option("--gid", metavar="GID", help="Unix group of them.", show_default="as the uid"),
]
Team = Annotated[str | None, option("--team", metavar="TEAM", help="Shares groups and quotas.")]
Groups = Annotated[
    list[str] | None,
    option("--group", metavar="GROUP", help="Gets what its rows give; again for more."),
]


@app.callback()
def users() -> None:
    """Users and their tokens. Adding needs the admin role; your own tokens you make yourself."""


@verb(app, "list", "hai-cli users list", lists=True)
def list_users(session: Session) -> None:
    """List users."""
    session.output.rows(session.client.call("users")["users"], users_layout(session.now))


@verb(app, "add", "hai-cli users add alice --uid 1001\nhai-cli users add bob --admin")
def add_user(  # noqa: PLR0913 (one parameter per option)
    session: Session,
    name: Name,
    *,
    admin: Annotated[bool, option("--admin", help="May act on everything.")] = False,
    uid: Uid = None,
    gid: Gid = None,
    team: Team = None,
    groups: Groups = None,
    dry_run: DryRun = False,
) -> None:
    """Add a user. The first token goes to stdout, once: it is not kept."""
    role = "admin" if admin else "user"
    body = {"name": name, "role": role, "uid": uid, **_given(gid=gid, team=team, groups=groups)}
    if dry_run:
        agreed(session, "add_user", body=body)
        session.stderr.say(f"would add the {body['role']} {name!r}; nothing was changed")
        return
    answer = session.client.call("add_user", body=body)
    session.stderr.say(f"{body['role']} {name!r} added; this token is shown only now:")
    _show_token(session, answer["token"])


@verb(
    app,
    "set",
    """
    hai-cli users set alice --team vision --group ops --group big
    hai-cli users set bob --no-active
    """,
)
def set_user(  # noqa: PLR0913 (one parameter per option)
    session: Session,
    name: Name,
    *,
    admin: Annotated[
        bool | None, option("--admin/--no-admin", help="May act on everything.")
    ] = None,
    active: Annotated[
        bool | None, option("--active/--no-active", help="May do anything at all.")
    ] = None,
    uid: Uid = None,
    gid: Gid = None,
    team: Team = None,
    groups: Groups = None,
    dry_run: DryRun = False,
) -> None:
    """Change a user (admins); what is not named stays. --group replaces all of the user's own
    groups; --group '' takes them away."""
    role = None if admin is None else "admin" if admin else "user"
    own = None if groups is None else [group for group in groups if group]
    body = _given(role=role, active=active, uid=uid, gid=gid, team=team, groups=own)
    if not body:
        raise InvalidInput("nothing was said to change", hint="for example --team vision")
    if dry_run:
        agreed(session, "change_user", body=body, name=name)
        session.stderr.say(f"would change the user {name!r}; nothing was changed")
        return
    answer = session.client.call("change_user", body=body, name=name)
    session.output.item(answer["user"], users_layout(session.now))


def _given(**values: object) -> dict[str, object]:
    return {key: value for key, value in values.items() if value is not None}


@verb(app, "token", "hai-cli users token alice --label laptop --expires 30d")
def add_token(
    session: Session,
    name: Name,
    *,
    label: Annotated[str, option("--label", metavar="TEXT", help="What it is for.")] = "",
    expires: Annotated[
        str | None,
        option("--expires", metavar="TIME", help="Valid so long.", show_default="for ever"),
    ] = None,
) -> None:
    """Make another token. It goes to stdout, once: it is not kept."""
    seconds = None if expires is None else parse_duration(expires)
    if seconds is not None and not 0 < seconds <= _LONGEST_SECONDS:
        raise InvalidInput(
            f"--expires {expires}: a token lasts at most {_LONGEST_SECONDS // 86400} days",
            hint="without --expires it is valid until it is revoked",
        )
    body = {"label": label, "expires_in_seconds": seconds}
    token = session.client.call("add_token", body=body, name=name)
    session.stderr.say(f"token {token['id']} of {name!r}; it is shown only now:")
    _show_token(session, token)


@verb(app, "tokens", "hai-cli users tokens")
def list_tokens(
    session: Session,
    name: Annotated[
        str | None, typer.Argument(metavar="[NAME]", help="Whose; another's needs the admin role.")
    ] = None,
) -> None:
    """List tokens that are valid now; the secrets are not kept."""
    owner = name or str(session.client.call("whoami")["user"]["name"])
    found = session.client.call("tokens", name=owner)["tokens"]
    session.output.rows(found, token_rows_layout())


@verb(app, "revoke", "hai-cli users revoke TOKEN_ID", formats=False)
def revoke_token(
    session: Session,
    token_id: Annotated[str, typer.Argument(metavar="TOKEN_ID", help="The id, not the token.")],
) -> None:
    """Make a token invalid at once, and the tokens that you made with it."""
    session.client.call("revoke_token", id=token_id)
    session.stderr.say(f"token {token_id} is no longer valid")


def _show_token(session: Session, token: dict[str, object]) -> None:
    """The bare secret by default, so that `$(...)` and a pipe to init work."""
    if session.output.format in (Format.TABLE, Format.NAME):
        session.output.text(str(token["token"]))
    else:
        session.output.item(token, tokens_layout())
