"""Has the server's own program bring the database up to date."""

import json
import os
import subprocess

from hai.errors import AuthRequired, HaiError, PlatformError
from hai_up.api import Api
from hai_up.layout import Layout
from hai_up.process import server_command, server_environment


def said_why(lines: list[str]) -> tuple[str, str]:
    """Message and hint of the last error that hai-server printed; "" where there is none."""
    why, hint = "", ""
    for line in lines:
        if line.startswith("hai-server: "):
            why, hint = line.removeprefix("hai-server: ").strip(), ""
        elif line.strip().startswith("hint: "):
            hint = line.strip().removeprefix("hint: ")
    return why, hint


def bootstrap(layout: Layout, order: dict[str, object]) -> dict[str, str | None]:
    """`hai-server bootstrap`: the order as JSON on its standard input, its answer from stdout."""
    done = subprocess.run(  # noqa: S603 - our own program
        server_command("bootstrap", "--config", os.fspath(layout.config)),
        input=json.dumps(order),
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        env=server_environment(),
        cwd=layout.root,
        check=False,
    )
    if done.returncode:
        why, hint = said_why(done.stderr.splitlines())
        raise PlatformError(
            f"the database cannot be prepared: {why or f'exit {done.returncode}'}", hint=hint
        )
    try:
        answer: dict[str, str | None] = json.loads(done.stdout.strip().splitlines()[-1])
    except (ValueError, IndexError) as error:
        raise PlatformError("hai-server bootstrap gave no answer") from error
    return answer


def token_works(url: str, token: str) -> bool:
    if not token:
        return False
    with Api(url, token) as api:
        try:
            api.whoami()
        except AuthRequired:
            return False
        except HaiError:
            return True  # not the token's fault
    return True
