"""hai-cli help [COMMAND | TOPIC]."""

from collections.abc import Callable
from typing import Annotated

import typer

from hai.cli.catalog import CATALOG, canonical
from hai.cli.lazy import load_command
from hai.cli.session import Session, verb
from hai.console.commands import new_app
from hai.console.errors import MEANINGS
from hai.errors import InvalidInput

app = new_app()

_MODES = """
hai-cli python FILE ARGS                    here: RANK=0, WORLD_SIZE=1, MASTER_PORT is free
hai-cli python FILE ARGS ++ -ss 30 -ls 0    simulate: here, and the SDK behaves as in a task;
                                            after 30 s receive_suspend_command() says yes
hai-cli python FILE ARGS -- -n 2 -f         cluster: submit it; -n nodes, -f follow

What stands between FILE and the separator is the program's own and is never read by hai-cli.
`bash` and `exec` work the same way. A program that needs `--` itself: use `hai-cli run`.
"""

_FORMATS = """
-o table   for people (the default)          -o wide    more columns, absolute times
-o json    one JSON document                 -o jsonl   one JSON object per line
-o yaml    the same as YAML                  -o csv     with a line of names (--no-headers)
-o name    bare ids or names; also -q        --json     the same as -o json

--fields a,b chooses (`--fields help` lists), --sort FIELD or -FIELD sorts.
stdout carries data only; messages go to stderr. With -o json errors are JSON on stderr:
{"code", "message", "hint", "request_id"}. Times are RFC 3339 in UTC, sizes bytes.
"""

_ENVIRONMENT = """
HAI_CONF            profile file (~/.hai/conf.yaml: url, token), mode 0600
HAI_SERVER          server URL when the profile has none
HAI_TOKEN           token when the profile has none
HAI_OUTPUT          default of -o
HAI_COLOR           default of --color (also NO_COLOR, CLICOLOR_FORCE, CLICOLOR=0, TERM=dumb)
HAI_TIMEOUT         default of --timeout
"""


def _exit_codes() -> str:
    lines = [f"{code:>4}  {meaning}" for code, meaning in MEANINGS.items()]
    lines.append("")
    lines.append(
        "`wait`, `logs -f --exit-code`, `run -f` and `python ... -- -f` exit with the task's"
    )
    lines.append(
        "code: 0 succeeded, the program's own when it failed, 1 stopped. Suspension is no end."
    )
    lines.append(
        "A program run here (no separator, or ++) gives its own code; 128 + n for signal n."
    )
    return "\n".join(lines)


TOPICS: dict[str, Callable[[], str]] = {
    "exit-codes": _exit_codes,
    "modes": lambda: _MODES.strip("\n"),
    "formats": lambda: _FORMATS.strip("\n"),
    "environment": lambda: _ENVIRONMENT.strip("\n"),
}


@verb(
    app,
    "help",
    """
    hai-cli help logs
    hai-cli help exit-codes
    """,
    formats=False,
)
def show_help(
    session: Session,
    topic: Annotated[
        str | None, typer.Argument(metavar="[TOPIC]", help=f"A command, or {', '.join(TOPICS)}.")
    ] = None,
) -> None:
    """Help on a command or a topic."""
    root = session.context.find_root()
    if topic is None:
        session.output.text(root.get_help())
        session.output.text(f"\nTopics: {', '.join(TOPICS)}  (hai-cli help TOPIC)")
    elif topic in TOPICS:
        session.output.text(TOPICS[topic]())
    elif canonical(topic) in CATALOG:
        command = load_command(canonical(topic))
        with command.make_context(topic, [], parent=root, resilient_parsing=True) as context:
            session.output.text(command.get_help(context))
    else:
        raise InvalidInput(
            f"no help on {topic!r}", hint=f"topics: {', '.join(TOPICS)}; or a command's name"
        )
