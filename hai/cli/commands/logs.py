"""hai-cli logs."""

import re
from dataclasses import replace
from functools import partial
from typing import Annotated, Any

from hai.cli.follow import end_line
from hai.cli.grammar import parse_ranks, parse_since, several_ranks
from hai.cli.listing import array_ref, members
from hai.cli.refs import Exp, resolve_ref
from hai.cli.session import Session, verb
from hai.cli.stream import (
    LogRequest,
    detaching,
    read_log,
    read_logs,
    show_collected,
    tell_end,
)
from hai.console.commands import new_app, option
from hai.console.errors import INTERRUPTED
from hai.errors import InvalidInput

app = new_app()
_WHICH = "Which lines"


Follow = Annotated[
    bool, option("-f", "--follow", help="Stay and show what comes, until the task ends.")
]
Ranks = Annotated[
    str,
    option(
        "-r",
        "--rank",
        metavar="RANKS",
        help="0, 0,2-3 or all.",
        panel=_WHICH,
        show_default=True,
    ),
]
Since = Annotated[
    str | None,
    option("--since", metavar="TIME", help="Newer than 10m, or than a time.", panel=_WHICH),
]
Tail = Annotated[
    int | None,
    option(
        "--tail",
        metavar="N",
        help="The last N lines of each rank; with --grep those that match, with -f of what exists.",
        panel=_WHICH,
    ),
]
Grep = Annotated[
    str | None,
    option("--grep", metavar="REGEX", help="Matching lines only.", panel=_WHICH),
]
Prev = Annotated[bool, option("--prev", help="The attempt before the last one.", panel=_WHICH)]
Attempt = Annotated[
    int | None, option("--attempt", metavar="N", help="This attempt.", panel=_WHICH)
]
Timestamps = Annotated[bool, option("-t", "--timestamps", help="Put each line's time before it.")]
ExitCode = Annotated[bool, option("--exit-code", help="Exit with the task's code.")]
LongExpType = Annotated[
    str,
    option(
        "--exp_type",
        "--exp-type",
        metavar="KIND",
        help="auto, yaml, name or id.",
        show_default=True,
    ),
]


@verb(
    app,
    "logs",
    """
    hai-cli logs 12                          all that rank 0 wrote
    hai-cli logs -f train.py                 follow; Ctrl-C leaves, the task runs on
    hai-cli logs 12 -r all --tail 20         the last lines of every rank
    hai-cli logs 12 --grep 'loss=' --since 10m
    hai-cli logs 12 --prev                   before the last suspend
    hai-cli logs '12_[7]'                    a task of array 12; '12_[*]' is all of them
    """,
)
def logs(  # noqa: PLR0913 (one parameter per option)
    session: Session,
    exp: Exp,
    *,
    follow: Follow = False,
    rank: Ranks = "0",
    since: Since = None,
    tail: Tail = None,
    grep: Grep = None,
    prev: Prev = False,
    attempt: Attempt = None,
    timestamps: Timestamps = False,
    exit_code: ExitCode = False,
    exp_type: LongExpType = "auto",
) -> int:
    """Show what a task wrote (stdout and stderr together), every attempt in order, or follow it.
    With several ranks each line begins with its rank, as in `[3] `. Of an array, as 12_[*] or
    12_[0-9]: one task after the other, each line with its task, as in `12_[7] `."""
    ref = resolve_ref(exp, exp_type)
    array = array_ref(ref)
    _check(tail=tail, prev=prev, attempt=attempt)
    ranks = parse_ranks(rank)
    pattern = _pattern(grep)
    # The last N of what matches: only here are both known, unless lines keep coming.
    counts_here = pattern is not None and not follow
    wanted = LogRequest(
        ref=ref,
        query={
            "rank": ranks,
            "since": parse_since(since, session.now) if since else None,
            "tail": None if counts_here else tail,
            "prev": 1 if prev else None,
            "attempt": attempt,
        },
        follow=follow,
        ranks_shown=several_ranks(ranks),
        timestamps=timestamps,
        pattern=pattern,
        last=tail if counts_here else None,
    )
    if array is not None:
        show = partial(_show_members, session, wanted, array.array_id)
    elif follow:
        show = partial(tell_end, session, ref, wanted)
    else:
        ending = read_log(session, wanted)
        return ending.code if exit_code else 0
    code = detaching(session, ref, show)
    return code if exit_code or code == INTERRUPTED else 0


def _show_members(session: Session, wanted: LogRequest, array_id: int) -> int:
    """The output of one member after the other; the exit code of the first that failed."""
    found = [(task["id"], task["array_index"]) for task in members(session, wanted.ref)]
    collected: list[Any] = []
    code = 0
    for task_id, index in reversed(found):
        member = f"{array_id}_[{index}]"
        ending = read_logs(session, replace(wanted, ref=str(task_id), member=member), collected)
        if wanted.follow and ending.state:
            session.stderr.say(end_line(member, ending))
        code = code or ending.code
    show_collected(session, collected)
    return code


def _check(*, tail: int | None, prev: bool, attempt: int | None) -> None:
    if prev and attempt is not None:
        raise InvalidInput("--prev and --attempt contradict each other", hint="give one of them")
    if tail is not None and tail < 0:
        raise InvalidInput("--tail must not be negative", hint="--tail 20 shows the last 20 lines")


def _pattern(text: str | None) -> re.Pattern[str] | None:
    try:
        return re.compile(text) if text is not None else None
    except re.error as error:
        raise InvalidInput(
            f"--grep {text!r} is no regular expression: {error}", hint="escape with \\"
        ) from None
