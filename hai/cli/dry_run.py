"""Changes that the server checks and does not make."""

from typing import Any

from hai.cli.session import Session
from hai.client.routes import CHECKED, ROUTES
from hai.errors import HaiError, PlatformError

UPGRADE = "on the server's machine, hai-up upgrade starts a newer one"


def agreed(
    session: Session, change: str, *, body: Any = None, hint: str = UPGRADE, **parts: Any
) -> Any:
    """What the server answers to a dry run of the change, by its name in hai.client.routes. Its
    errors are those of the change itself; PlatformError, with the hint, if it is too old."""
    name = f"dry_run.{change}"
    try:
        return session.client.call(name, body=body, **parts)
    except HaiError as error:
        # what every server says of an address that it does not know
        if not error.message.startswith(f"{ROUTES[name].method} {CHECKED}/"):
            raise
        version = session.client.server_version or "an unknown version"
        raise PlatformError(
            f"the server ({version}) is older than this command and cannot check a change without "
            "making it; nothing was changed",
            hint=hint,
        ) from error
