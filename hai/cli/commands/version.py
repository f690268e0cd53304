"""hai-cli version."""

import platform

import hai
from hai.cli.session import Session, verb
from hai.client.profile import Profile
from hai.console.commands import new_app
from hai.console.output import Column, ListLayout
from hai.errors import HaiError

app = new_app()
PATIENCE_SECONDS = 2.0
_LAYOUT = ListLayout(
    (Column("client", "CLIENT"), Column("server", "SERVER"), Column("python", "PYTHON")),
    "client",
    ("client", "server", "python", "url"),
)


@verb(app, "version", "hai-cli version\nhai-cli version -o json", lists=True)
def version(session: Session) -> None:
    """Versions of client and server. Works without a server, too."""
    server = _server_version(session)
    found = {
        "client": hai.__version__,
        "server": server,
        "python": platform.python_version(),
        "url": session.profile.url or None,
    }
    session.output.item(found, _LAYOUT)
    if server and server != hai.__version__:
        session.stderr.warn(difference(server))


def difference(server: str) -> str:
    """What is to be said when the server is another build than this one."""
    if server.partition("+")[0] == hai.__version__.partition("+")[0]:
        return (
            f"the server that runs is {server}, not the {hai.__version__} that is installed "
            "here; on the server's machine, hai-up upgrade starts the installed one"
        )
    return f"client {hai.__version__} and server {server} differ; newer features may be missing"


def server_version(profile: Profile, seconds: float) -> str:
    """Of the server that the profile names. HaiError when it does not tell."""
    from hai.client.plain import PlainClient

    answer = PlainClient(profile, seconds).call("whoami")
    try:
        return str(answer["server_version"])
    except (KeyError, TypeError) as error:
        raise HaiError(f"the answer is not understood: {error!r}") from error


def _server_version(session: Session) -> str | None:
    try:
        return server_version(session.profile, session.limit_seconds or PATIENCE_SECONDS)
    except HaiError as error:
        session.stderr.say(f"the server's version is not known: {error}")
        return None
