"""hai-cli run YAML."""

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from hai.cli.document import DOCUMENT_VERSION, scheduling_options
from hai.cli.grammar import parse_priority
from hai.cli.launch_options import After, Array, Env, EnvFollow, Retry, TimeLimit
from hai.cli.refs import DryRun, Group, PriorityLevel
from hai.cli.session import Session, verb
from hai.cli.submit import submit
from hai.console.commands import new_app, option
from hai.errors import InvalidInput

app = new_app()

_HINT = "`hai-cli python FILE -- --dry-run` prints a document to start from"


@verb(
    app,
    "run",
    """
    hai-cli run train.yaml                 submit it
    hai-cli run train.yaml -n 4 -p HIGH    flags win over the document
    hai-cli run train.yaml -f              and follow the output
    make-yaml | hai-cli run -              from stdin
    hai-cli run train.yaml --dry-run       print what would be submitted
    """,
)
def run(  # noqa: PLR0913 (one parameter per option)
    session: Session,
    file: Annotated[str, typer.Argument(metavar="YAML", help="A run document; - is stdin.")],
    *,
    follow: Annotated[bool, option("-f", "--follow", help="Follow output and states.")] = False,
    nodes: Annotated[int | None, option("-n", "--nodes", metavar="N", help="Nodes.")] = None,
    group: Group = None,
    priority: PriorityLevel = None,
    after: After = None,
    array: Array = None,
    time_limit: TimeLimit = None,
    retry: Retry = None,
    name: Annotated[str | None, option("--name", metavar="NAME", help="Another name.")] = None,
    env: Env = None,
    env_follow: EnvFollow = False,
    dry_run: DryRun = False,
) -> int:
    """Submit a run document, version 2 of the schema, as YAML or JSON.

    Exit code with -f: the task's (0 succeeded, its own when it failed, 1 stopped)."""
    document = _read(file)
    if document.get("version") != DOCUMENT_VERSION:
        raise InvalidInput(
            f"{_shown(file)} has version {document.get('version')!r}, not {DOCUMENT_VERSION}",
            hint="write `version: 2`; older documents have another layout",
        )
    if name is not None:
        document["name"] = name
    if priority is not None:
        document["priority"] = parse_priority(priority)
    _override(document, {"node_count": nodes, "group": group})
    scheduling = scheduling_options(after, array, time_limit, retry)
    if scheduling:
        options = document.get("options") or {}
        if not isinstance(options, dict):
            raise InvalidInput("`options:` is no mapping", hint="write keys below it, indented")
        document["options"] = {**options, **scheduling}
    from hai.client.environments import with_environment

    document = with_environment(document, env, follow=env_follow, ask=session.answer_of)
    try:
        return submit(session, document, follow=follow, dry_run=dry_run)
    except InvalidInput as error:
        error.hint = error.hint or _HINT
        raise


def _override(document: dict[str, Any], values: dict[str, Any]) -> None:
    given = {key: value for key, value in values.items() if value is not None}
    if given:
        resource = document.get("resource") or {}
        if not isinstance(resource, dict):
            raise InvalidInput("`resource:` is no mapping", hint="write keys below it, indented")
        document["resource"] = {**resource, **given}


def _read(file: str) -> dict[str, Any]:
    from hai.client.document import load_document, parse_document

    if file != "-":
        return load_document(Path(file))
    try:
        return parse_document(sys.stdin.read(), _shown(file))
    except UnicodeDecodeError:
        raise InvalidInput("stdin is not UTF-8 text", hint="it must be YAML or JSON") from None


def _shown(file: str) -> str:
    return "stdin" if file == "-" else file
