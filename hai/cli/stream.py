"""The streams of a task on a terminal: lines as they come, Ctrl-C leaves and the task runs on."""

import heapq
import os
import re
import signal
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from operator import itemgetter
from typing import Any

from hai.cli.follow import FollowedEnding, Follower, end_line
from hai.cli.logprint import LinePrinter, Passing, Sink, collector, matching, printer
from hai.cli.session import Session
from hai.client.events import Resume
from hai.console.errors import INTERRUPTED
from hai.console.output import Format
from hai.errors import TimedOut


@dataclass(frozen=True, slots=True)
class LogRequest:
    """What of a task's output is wanted; `query` as the server knows it."""

    ref: str
    query: Mapping[str, Any] = field(default_factory=dict)
    follow: bool = False
    ranks_shown: bool = False
    timestamps: bool = False
    pattern: re.Pattern[str] | None = None  # only lines in which it is found
    last: int | None = None  # only so many of each rank, counted after `pattern`
    narrates_states: bool = True
    is_accepted: bool = False  # the task exists for sure: worth waiting for the server
    member: str = ""  # as 12_[7]: shown before each line, for one of several tasks


def read_logs(
    session: Session, wanted: LogRequest, collected: list[Mapping[str, Any]]
) -> FollowedEnding:
    """Shows the lines, or collects them for a document; returns at the end of the task (or of what
    there is, without follow)."""
    last = _Last(wanted.last)
    sink = _sink(session, wanted, collected, last)

    def say(text: str) -> None:
        sink.interrupt()
        session.stderr.say(text)

    follower = Follower(
        line=sink.line,
        flush=sink.flush,
        say=say,
        narrates_states=wanted.follow and wanted.narrates_states,
    )
    resume = following(session, patient=wanted.is_accepted) if wanted.follow else bounded(session)
    resume = replace(resume, lost=_after(sink.interrupt, resume.lost))
    query = {**wanted.query, "follow": 1 if wanted.follow else None}
    events = session.client.events("logs", resume, params=query, ref=wanted.ref)
    try:
        ending = follower.run(events)
    except BaseException:  # Ctrl-C: what is said now begins a line
        sink.interrupt()
        raise
    sink.close()
    show = _shower(session, wanted, collected)
    for line in last.lines():
        show(line)
    session.output.flush()
    return ending or FollowedEnding()


def _after(first: Callable[[], object], then: Callable[[], object]) -> Callable[[], object]:
    def both() -> None:
        first()
        then()

    return both


def read_log(session: Session, wanted: LogRequest) -> FollowedEnding:
    """The lines of one task, as a whole document where the format asks for one."""
    collected: list[Mapping[str, Any]] = []
    ending = read_logs(session, wanted, collected)
    show_collected(session, collected)
    return ending


def show_collected(session: Session, collected: list[Mapping[str, Any]]) -> None:
    if _as_objects(session) and session.output.format is not Format.JSONL:
        session.output.document(collected)
    session.output.flush()


class _Last:
    """The last `count` lines of each rank, in the order in which they came."""

    def __init__(self, count: int | None) -> None:
        self._count = count
        self._added = 0
        self._held: dict[int, deque[tuple[int, Mapping[str, Any]]]] = {}

    def add(self, line: Mapping[str, Any]) -> None:
        self._added += 1
        held = self._held.setdefault(line["rank"], deque(maxlen=self._count))
        held.append((self._added, line))

    def lines(self) -> Iterator[Mapping[str, Any]]:
        for _, line in heapq.merge(*self._held.values(), key=itemgetter(0)):
            yield line


def follow_task(session: Session, task: Mapping[str, Any]) -> int:
    """Follows a task that was just submitted; the exit code is the task's."""
    wanted = LogRequest(ref=str(task["id"]), query={"rank": "0"}, follow=True, is_accepted=True)
    return detaching(session, task["id"], lambda: tell_end(session, task["id"], wanted))


def tell_end(session: Session, task_id: object, wanted: LogRequest) -> int:
    """Follows to the end and says how it was."""
    ending = read_log(session, wanted)
    if ending.state:
        session.stderr.say(end_line(task_id, ending))
    return ending.code


def detaching(session: Session, task_id: object, follow: Callable[[], int]) -> int:
    """Ctrl-C stops following only, says how to go on, and exits with 130. A second one within the
    time that takes quits at once."""
    try:
        with limited(session):
            return follow()
    except KeyboardInterrupt:
        signal.signal(signal.SIGINT, lambda *_: os._exit(INTERRUPTED))
        session.stderr.say("")
        session.stderr.say(f"detached: task {task_id} goes on")
        session.stderr.say(f"  follow it again:  hai-cli logs -f {task_id}")
        session.stderr.say(f"  stop it:          hai-cli stop {task_id}")
        return INTERRUPTED


def following(session: Session, *, patient: bool = False) -> Resume:
    """For ever, over any number of lost connections."""
    return Resume(
        patient=patient,
        wait=time.sleep,
        lost=lambda: session.stderr.say("connection lost, retrying"),
        back=lambda: session.stderr.say("connected again"),
    )


def bounded(session: Session) -> Resume:
    """For reading what is there, to its end: a few tries."""
    return Resume(wait=time.sleep, tries=3)


@contextmanager
def limited(session: Session) -> Iterator[None]:
    """TimedOut once --timeout has passed over all that is done in it, even in silence."""
    limit = session.limit_seconds
    if limit is None:
        yield
        return

    def expire(*_: object) -> None:
        raise TimedOut(
            f"still not over after {limit:g} s", hint="the task goes on; ask for more --timeout"
        )

    previous = signal.signal(signal.SIGALRM, expire)
    signal.setitimer(signal.ITIMER_REAL, limit)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)


def _as_objects(session: Session) -> bool:
    """Lines are objects in these formats, text in all others (-q too)."""
    return session.output.format in (Format.JSON, Format.JSONL, Format.YAML)


def _sink(
    session: Session, wanted: LogRequest, collected: list[Mapping[str, Any]], last: "_Last"
) -> Sink:
    """Where pieces of lines go: to people as they are, to programs as objects."""
    if not (_as_objects(session) or _is_edited(wanted)):
        return Passing(session.output)
    show = _shower(session, wanted, collected) if wanted.last is None else last.add
    # A line that may not match, or not be among the last, is not shown before it is whole.
    shows_open = wanted.follow and wanted.pattern is None and not _as_objects(session)
    head = partial(_head, wanted) if shows_open else None
    return LinePrinter(session.output, matching(show, wanted.pattern), head)


def _is_edited(wanted: LogRequest) -> bool:
    """Something is put before the lines, or only some are wanted."""
    return bool(
        wanted.ranks_shown
        or wanted.timestamps
        or wanted.member
        or wanted.pattern is not None
        or wanted.last is not None
    )


def _shower(
    session: Session, wanted: LogRequest, collected: list[Mapping[str, Any]]
) -> Callable[[Mapping[str, Any]], object]:
    if _as_objects(session):
        return collector(session.output, wanted.member, collected)
    return printer(session.output, partial(_head, wanted))


def _head(wanted: LogRequest, line: Mapping[str, Any]) -> str:
    member = f"{wanted.member} " if wanted.member else ""
    rank = f"[{line['rank']}] " if wanted.ranks_shown else ""
    at = f"{line['at']} " if wanted.timestamps else ""
    return f"{member}{rank}{at}"
