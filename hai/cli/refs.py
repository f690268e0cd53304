"""What people type for EXP: an id, a name, @last, or a run document that has a name. Also the
arguments and options that name things, with their completion."""

from pathlib import Path
from typing import Annotated

import typer

from hai.cli.complete import complete_groups, complete_priorities, complete_tasks, complete_users
from hai.console.commands import option
from hai.errors import InvalidInput, NotFound

_EXP_HELP = "id, name, 12_[7] (of array 12), @last, or a .yml/.yaml file (its name)."
_EXPS_HELP = (
    "id, name, 12_[7], 12_[0-9] or 12_[*] (of array 12), @last (or its array), or a .yml/.yaml "
    "file (its name)."
)
Exp = Annotated[str, typer.Argument(metavar="EXP", help=_EXP_HELP, autocompletion=complete_tasks)]
Exps = Annotated[
    list[str], typer.Argument(metavar="EXP...", help=_EXPS_HELP, autocompletion=complete_tasks)
]
ExpType = Annotated[
    str,
    option(
        "-t",
        "--exp_type",
        "--exp-type",
        metavar="KIND",
        help="How EXP is read: auto, yaml, name or id.",
        show_default=True,
    ),
]
ArrayFilter = Annotated[
    str | None,
    option(
        "--array",
        metavar="EXP",
        help="Of the array of this task (id, name, @last), or 12_[0-9] of it.",
        autocompletion=complete_tasks,
    ),
]
Group = Annotated[
    str | None,
    option(
        "-g",
        "--group",
        metavar="GROUP",
        help="Group of nodes.",
        autocompletion=complete_groups,
    ),
]
PriorityLevel = Annotated[
    str | None,
    option(
        "-p",
        "--priority",
        metavar="LEVEL",
        help="Name or number: LOW 0, NORMAL 10, HIGH 30, ..., AUTO -1.",
        autocompletion=complete_priorities,
    ),
]
UserFilter = Annotated[
    str | None,
    option("-u", "--user", metavar="USER", help="Of this user.", autocompletion=complete_users),
]
DryRun = Annotated[bool, option("--dry-run", help="Say what would happen, change nothing.")]
AssumeYes = Annotated[bool, option("-y", "--yes", help="Do not ask.")]


def resolve_ref(text: str, kind: str = "auto") -> str:
    """The server's name for EXP.

    Raises InvalidInput for an unknown kind or a file without a name, NotFound for a missing file.
    """
    if kind not in ("auto", "yaml", "name", "id"):
        raise InvalidInput(f"{kind!r} is no kind of EXP", hint="choose auto, yaml, name or id")
    if not text.strip():
        raise InvalidInput("EXP is empty", hint="`hai-cli list` shows ids and names")
    if kind == "id" and not text.isdigit():
        raise InvalidInput(f"{text!r} is no task id", hint="ids are numbers: see `hai-cli list`")
    if kind == "name" and text.isdigit():
        raise InvalidInput(f"{text!r} is no task name", hint="a number is an id: drop --exp_type")
    is_document = text.endswith((".yml", ".yaml"))
    if kind == "yaml" or (kind == "auto" and is_document and Path(text).is_file()):
        return _name_in(text)
    return text


def _name_in(path: str) -> str:
    from hai.client.document import load_document

    if not Path(path).is_file():
        raise NotFound(f"no file {path!r}", hint="give an existing run document, or a task's name")
    name = load_document(Path(path)).get("name")
    if not isinstance(name, str) or not name:
        raise InvalidInput(f"{path} has no `name:`", hint="name the task by its id instead")
    return name
