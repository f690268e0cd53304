"""hai-cli wait."""

import time
from collections.abc import Callable
from typing import TypeVar

from hai.cli.follow import FollowedEnding, Follower, end_line
from hai.cli.listing import (
    UNFINISHED,
    array_ref,
    count_members,
    members,
    states_line,
    widened,
)
from hai.cli.refs import Exps, ExpType, resolve_ref
from hai.cli.session import Session, verb
from hai.cli.stream import following, limited
from hai.console.commands import new_app
from hai.console.errors import INTERRUPTED
from hai.errors import Unavailable, Unreachable

app = new_app()
_RETRY_SECONDS = 1.0
_T = TypeVar("_T")


@verb(
    app,
    "wait",
    """
    hai-cli wait 12 && echo done
    hai-cli wait train.py --timeout 10m     exit code 8 when that passes first
    hai-cli wait 12 13 14                   all of them; the first failure's code
    hai-cli wait '12_[*]'                   all tasks of array 12
    """,
    formats=False,
)
def wait(session: Session, exps: Exps, *, exp_type: ExpType = "auto") -> int:
    """Wait until tasks end. Suspension is no end. Exit code: the task's (0 succeeded, its own when
    it failed, 1 stopped), of several the first one's that did not succeed; 8 when --timeout passes
    first, 130 after Ctrl-C."""
    result = 0
    ref = ""
    try:
        with limited(session):
            for exp in exps:
                ref = widened(session, resolve_ref(exp, exp_type))
                one = _wait_for_task if array_ref(ref) is None else _wait_for_array
                code = one(session, ref, exp)
                result = result or code
    except KeyboardInterrupt:
        session.stderr.say("")
        session.stderr.say(f"no longer waiting; {ref or 'the task'} goes on")
        return INTERRUPTED
    return result


def _wait_for_task(session: Session, ref: str, exp: str) -> int:
    ending = _watch(session, ref, narrates=True)
    session.stderr.say(end_line(exp, ending))
    return ending.code


def _watch(session: Session, ref: str, *, narrates: bool) -> FollowedEnding:
    follower = Follower(
        line=lambda _: None, flush=lambda: None, say=session.stderr.say, narrates_states=narrates
    )
    return (
        follower.run(session.client.events("watch", following(session), ref=ref))
        or FollowedEnding()
    )


def _wait_for_array(session: Session, ref: str, exp: str) -> int:
    """Until no member is unfinished: the newest of them, which ends last as a rule, then the newest
    of those that are left."""
    left, newest = count_members(session, ref, UNFINISHED)
    while left:
        session.stderr.say(f"{exp}: {left:,} not ended yet")
        _watch(session, str(newest["id"]), narrates=False)
        left, newest = _patiently(session, lambda: count_members(session, ref, UNFINISHED))
    session.stderr.say(f"{exp}: {_patiently(session, lambda: states_line(session, ref))}")
    return _patiently(session, lambda: _first_failure(session, ref))


def _first_failure(session: Session, ref: str) -> int:
    """The exit code of the first member, by its place, that did not succeed; else 0."""
    code = 0
    for task in members(session, ref, ["failed", "stopped"]):  # the newest first
        code = FollowedEnding(str(task["state"]), task["exit_code"]).code
    return code


def _patiently(
    session: Session, ask: Callable[[], _T], sleep: Callable[[float], object] = time.sleep
) -> _T:
    """The answer, however long the server is away."""
    is_told = False
    while True:
        try:
            return ask()
        except (Unreachable, Unavailable):
            if not is_told:
                session.stderr.say("connection lost, retrying")
            is_told = True
            sleep(_RETRY_SECONDS)
