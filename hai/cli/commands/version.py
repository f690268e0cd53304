"""hai-cli version."""

import platform

import hai
from hai.cli.framework import new_app
from hai.cli.output import Column, Layout
from hai.cli.session import Session, verb
from hai.errors import HaiError

app = new_app()
PATIENCE_SECONDS = 2.0
_LAYOUT = Layout(
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
    if server and server.split(".")[:2] != hai.__version__.split(".")[:2]:
        session.stderr.warn(
            f"client {hai.__version__} and server {server} differ; newer features may be missing"
        )


def _server_version(session: Session) -> str | None:
    from hai.client.plain import PlainClient

    try:
        limit = session.limit_seconds or PATIENCE_SECONDS
        answer = PlainClient(session.profile, limit).call("whoami")
        return str(answer["server_version"])
    except (HaiError, KeyError, TypeError) as error:
        session.stderr.say(f"the server's version is not known: {error}")
        return None
