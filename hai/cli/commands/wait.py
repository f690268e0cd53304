"""hai-cli wait."""

from hai.cli.errors import INTERRUPTED
from hai.cli.follow import Ending, Follower, end_line
from hai.cli.framework import new_app
from hai.cli.refs import Exps, ExpType, resolve_ref
from hai.cli.session import Session, verb
from hai.cli.stream import following, within_limit

app = new_app()


@verb(
    app,
    "wait",
    """
    hai-cli wait 12 && echo done
    hai-cli wait train.py --timeout 10m     exit code 8 when that passes first
    hai-cli wait 12 13 14                   all of them; the first failure's code
    """,
    formats=False,
)
def wait(session: Session, exps: Exps, *, exp_type: ExpType = "auto") -> int:
    """Wait until tasks end. Suspension is no end. Exit code: the task's (0 succeeded, its own when
    it failed, 1 stopped), 8 when --timeout passes first, 130 after Ctrl-C."""
    result = 0
    for exp in exps:
        ref = resolve_ref(exp, exp_type)
        ending = _wait_for(session, ref)
        if ending is None:
            return INTERRUPTED
        session.stderr.say(end_line(exp, ending))
        result = result or ending.code
    return result


def _wait_for(session: Session, ref: str) -> Ending | None:
    follower = Follower(
        line=lambda _: None, flush=lambda: None, say=session.stderr.say, narrates_states=True
    )
    events = session.client.events("watch", following(session), ref=ref)
    try:
        return follower.run(within_limit(session, events))
    except KeyboardInterrupt:
        session.stderr.say("")
        session.stderr.say(f"no longer waiting; task {ref} goes on")
        return None
