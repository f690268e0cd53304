"""hai-cli top."""

import sys
from typing import Annotated

import typer

from hai.cli.session import Session, verb
from hai.console.commands import new_app, option
from hai.console.output import Format
from hai.console.terminal import output_width
from hai.errors import InvalidInput

app = new_app()
_PIPE_WIDTH = 160  # nothing is cut short for programs, within reason
_DOCUMENTS = (Format.JSON, Format.JSONL, Format.YAML)


@verb(
    app,
    "top",
    """
    hai-cli top                          the cluster; ? shows the keys, q leaves
    hai-cli top queue -l user=alice      begin with a screen and a filter
    hai-cli top --read-only              nothing can be changed by a slip
    hai-cli top --once                   print it and leave
    hai-cli top --once -l user=alice     only these tasks
    hai-cli top --once -o json | jq .order
    """,
)
def top(  # noqa: PLR0913 (one parameter per option)
    session: Session,
    view: Annotated[
        list[str] | None,
        typer.Argument(metavar="[VIEW]", help="cluster, queue, users, events; then a filter."),
    ] = None,
    *,
    labels: Annotated[
        str, option("-l", metavar="KEY=VALUE", help="Only these: user=alice,state=running.")
    ] = "",
    once: Annotated[bool, option("--once", help="Print it once, for scripts.")] = False,
    read_only: Annotated[bool, option("--read-only", help="Change nothing.")] = False,
    mouse: Annotated[
        bool, option("--mouse", help="The mouse moves the cursor (F2 changes that).")
    ] = False,
    ascii_only: Annotated[bool, option("--ascii", help="Draw with ASCII only.")] = False,
    theme: Annotated[
        str, option("--theme", metavar="NAME", help="hai-dark, hai-light or hai-mono.")
    ] = "",
) -> None:
    """Watch the cluster, the queues and the logs, and act on them."""
    words = " ".join([*(view or ["queue" if labels else "cluster"]), *_label_words(labels)])
    if once:
        _print(session, words, ascii_only=ascii_only)
        return
    if not (sys.stdin.isatty() and sys.stdout.isatty()) or session.environ.get("TERM") == "dumb":
        raise InvalidInput(
            "top needs a terminal that can draw", hint="--once prints the same and leaves"
        )
    session.profile.require_url()
    session.profile.require_token()
    from hai.tui.main import DashboardOptions, run

    wishes = DashboardOptions(
        read_only=read_only, mouse=mouse, ascii_only=ascii_only, theme=theme, view=words
    )
    run(session.profile, wishes, session.environ)


def _label_words(labels: str) -> list[str]:
    return ["-l", labels] if labels else []


def _print(session: Session, words: str, *, ascii_only: bool) -> None:
    from hai.tui.glyphs import glyphs_for
    from hai.tui.model import Model
    from hai.tui.once import once_filter, once_lines
    from hai.tui.text import plain

    chosen = once_filter(words)
    output = session.output
    if not (output.format.is_for_people or output.format in _DOCUMENTS):
        raise InvalidInput(
            f"--once has no format {output.format}", hint="-o table, wide, json, jsonl or yaml"
        )
    answer = session.client.call("dashboard")
    model = Model()
    model.apply(answer, session.now)
    kept = chosen(model)
    if output.format in _DOCUMENTS:
        output.document({**answer, "tasks": [t for t in answer["tasks"] if t["id"] in kept]})
        return
    width = output_width(output.stream) or _PIPE_WIDTH
    if output.format is Format.WIDE:
        width = max(width, _PIPE_WIDTH)
    glyphs = glyphs_for(session.environ, ascii_only=ascii_only)
    output.text(plain(once_lines(model, kept, session.now + model.skew, width, glyphs)))
