"""hai-cli init."""

import sys
from typing import Annotated

import typer

from hai.cli.session import DEFAULT_TIMEOUT_SECONDS, Session, verb
from hai.client.profile import Profile, conf_path, load_profile, normal_url, save_profile
from hai.console.commands import new_app, option
from hai.errors import InvalidInput

app = new_app()


@verb(
    app,
    "init",
    """
    hai-cli init --url http://10.0.0.5:7420                     asks for the token
    hai-cli init --url https://hai.example --token-stdin < tok  for scripts
    HAI_TOKEN=... hai-cli init --url https://hai.example
    """,
    formats=False,
)
def init(
    session: Session,
    token: Annotated[
        str | None,
        typer.Argument(
            metavar="[TOKEN]", help="Works, but others can read it in the process list."
        ),
    ] = None,
    *,
    url: Annotated[
        str | None,
        option("--url", metavar="URL", help="The server.", envvar="HAI_SERVER"),
    ] = None,
    token_stdin: Annotated[
        bool, option("--token-stdin", help="Read the token from stdin.")
    ] = False,
    bff_url: Annotated[
        str | None,
        option("--bff_url", metavar="URL", help="Accepted: there is no second server here."),
    ] = None,
) -> None:
    """Check server and token, then store them in ~/.hai/conf.yaml (HAI_CONF names another file),
    readable by you only. The token is asked for, or comes from stdin or HAI_TOKEN."""
    path = conf_path(session.environ)
    server = normal_url(url) if url else load_profile(session.environ).require_url()
    secret = _token(session, token, from_stdin=token_stdin)
    candidate = Profile(url=server, token=secret)
    from hai.client.http import HaiClient

    trace = session.stderr.detail if session.shared.verbose or session.shared.debug else None
    limit = session.limit_seconds or DEFAULT_TIMEOUT_SECONDS
    with HaiClient(candidate, timeout_seconds=limit, trace=trace) as client:
        found = client.call("whoami")
    name = str(found["user"]["name"])
    save_profile(Profile(url=server, token=secret, user=name), path)
    session.stderr.say(f"you are {name} ({found['user']['role']}) on {server}; stored in {path}")
    session.stderr.say("  what you may use:  hai-cli whoami")


def _token(session: Session, typed: str | None, *, from_stdin: bool) -> str:
    if typed and from_stdin:
        raise InvalidInput("two tokens are given", hint="drop TOKEN or --token-stdin")
    if typed and typed != "-":
        session.stderr.warn(
            "a token on the command line is visible to others in the process list and stays in "
            "the shell's history; use --token-stdin"
        )
        found = typed
    elif from_stdin or typed == "-":
        found = sys.stdin.readline()
    elif session.environ.get("HAI_TOKEN"):
        found = session.environ["HAI_TOKEN"]
    elif session.can_ask:
        import getpass

        found = getpass.getpass("token (not shown): ", stream=sys.stderr)
    else:
        raise InvalidInput("no token is given", hint="pipe it in with --token-stdin")
    found = found.strip()
    if not found or not all("!" <= char <= "~" for char in found):
        raise InvalidInput("that is no token", hint="it is one word of printable characters")
    return found
