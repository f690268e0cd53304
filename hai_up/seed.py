"""The users of USER_INFO, brought into the database of one machine's platform."""

import hmac
import os
import subprocess
from collections.abc import Callable
from dataclasses import replace

from hai.errors import PlatformError
from hai_up.bootstrap import said_why
from hai_up.config import Options
from hai_up.files import read_text, remove_stale, write_private
from hai_up.layout import Layout
from hai_up.process import server_command, server_environment
from hai_up.render import render
from hai_up.state import State, save_state

Say = Callable[[str], None]


def seed_users(layout: Layout, options: Options, state: State, say: Say) -> State:
    """Once for each USER_INFO: who is there stays as they are, and a token that was revoked
    meanwhile does not come back."""
    if not options.users:
        return state
    names = [user.name for user in options.users]
    admin = options.user if options.user in names else ""
    text = render("users.sql.j2", users=options.users, admin=admin)
    key = (read_text(layout.secret) or "").encode()
    fingerprint = hmac.new(key, text.encode(), "sha256").hexdigest()[:32]
    if state.seed == fingerprint:
        return state
    _import(layout, text)
    say(f"users of USER_INFO: {', '.join(names)}")
    for user in options.users:
        if not user.token and user.name != options.user:
            say(f"  {user.name} has no token: hai-cli users token {user.name} makes one")
    state = replace(state, seed=fingerprint)
    save_state(layout, state)
    return state


def _import(layout: Layout, text: str) -> None:
    """By the server's own program; the file with the tokens is nobody's else and goes at once."""
    path = layout.root / "users.sql"
    write_private(path, text)
    try:
        done = subprocess.run(  # noqa: S603 - our own program
            server_command("import", os.fspath(path), "--config", os.fspath(layout.config)),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            env=server_environment(),
            cwd=layout.root,
            check=False,
        )
    finally:
        remove_stale(path)
    if done.returncode:
        why, hint = said_why(done.stderr.splitlines())
        raise PlatformError(
            f"the users of USER_INFO cannot be imported: {why or f'exit {done.returncode}'}",
            hint=hint or "correct USER_INFO in config.sh, then hai-up run again",
        )
