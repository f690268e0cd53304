"""Reads the job records of Slurm: `sacct --allusers --parsable2 --format=...`, columns by name.

Time 0 is the first submission. Steps (`123.batch`) belong to their job and are passed over; a
member of an array (`123_4`) is a job. What never ran or is not over has no duration to simulate:
it is left out and counted. A job that several dumps hold, one behind the other in the file, counts
once: Slurm knows its records by JobID and Submit. A requeued one has a record for each run.
Slurm's numeric priority says nothing about ours; a QOS that has the name of one of our levels does.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from hai.core.moments import unix_seconds
from hai.core.simulation.jobs import Job, Trace, check_text, in_order
from hai.core.types import Priority
from hai.errors import InvalidInput

FIELDS = "JobID,User,Partition,Submit,Start,End,ElapsedRaw,AllocNodes,AllocTRES,State,QOS"
STEPS = "job steps"
NEVER_RAN = "never ran"
NOT_OVER = "not over yet"
REPEATED = "in more than one dump"

_HINT = f"print it with: sacct --allusers --parsable2 --format={FIELDS}"
_ELAPSED = re.compile(r"(?:(\d+)-)?(?:(\d+):)?(\d+):(\d+)(?:\.\d+)?")
_UNKNOWN = ("", "Unknown", "None", "N/A")
_UNFINISHED = ("RUNNING", "PENDING", "SUSPENDED", "CONFIGURING")
# Slurm closes a record in these states when it opens another one for what comes then.
_CLOSED = ("REQUEUED", "RESIZING")
_OFFSET = re.compile(r" +(?=[+-]\d\d:?\d\d$)")
_WORDS = ("JobID", "User", "Partition", "State", "QOS")


def read_sacct(head: str, lines: Iterable[str]) -> Trace:
    """The trace of `head` (the names of the columns) and the lines below it.

    Raises InvalidInput with the line and what is wrong with it.
    """
    columns = head.split("|")
    _check_columns(columns)
    records = _Records()
    for number, line in enumerate(lines, start=2):
        fields = line.rstrip("\r\n").split("|")
        if fields == [""] or fields == columns:  # the head of the next dump
            continue
        if len(fields) != len(columns):
            raise InvalidInput(
                f"line {number}: {len(fields)} fields under {len(columns)} columns", hint=_HINT
            )
        row = dict(zip(columns, fields, strict=True))
        records.add(row, _job(row, number), number)
    return records.trace()


class _Records:
    """Jobs, and why other rows are left out; each record once, as the last dump knows it."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, float], Job | str] = {}
        self._left_out: Counter[str] = Counter()

    def add(self, row: Mapping[str, str], found: Job | str, line: int) -> None:
        if isinstance(found, str) and (found == STEPS or row["Submit"] in _UNKNOWN):
            self._left_out[found] += 1
            return
        key = (row["JobID"], _moment(row["Submit"], "Submit", line))
        before = self._found.get(key)
        if before is not None:
            self._left_out[REPEATED] += 1
        # A dump that was made while the job ran knows less than a later one.
        if not (isinstance(before, Job) and isinstance(found, str)):
            self._found[key] = found

    def trace(self) -> Trace:
        jobs = [found for found in self._found.values() if isinstance(found, Job)]
        left_out = self._left_out + Counter(f for f in self._found.values() if isinstance(f, str))
        start = min((job.submit_s for job in jobs), default=0.0)
        return Trace(
            in_order(replace(job, submit_s=job.submit_s - start) for job in jobs), left_out
        )


def _check_columns(columns: Sequence[str]) -> None:
    for names in (
        ("JobID",),
        ("Submit",),
        ("ElapsedRaw", "Elapsed", "Start"),
        ("AllocNodes", "NNodes", "AllocTRES"),
    ):
        if not set(names) & set(columns):
            raise InvalidInput(f"line 1: no column {names[0]}", hint=_HINT)


def _job(row: Mapping[str, str], line: int) -> Job | str:
    """The job of a row, or why it is left out."""
    for name in _WORDS:
        check_text(row.get(name, ""), name, line)
    job_id = row["JobID"]
    if "." in job_id:
        return STEPS
    state = row.get("State", "").split(" ")[0]
    if state in _UNFINISHED or (state in _CLOSED and row.get("End", "-") in _UNKNOWN):
        return NOT_OVER
    resources = _resources(row.get("AllocTRES", ""))
    nodes = _count(row, "AllocNodes", "NNodes") or resources.get("node", 0)
    duration = _duration(row, line)
    if duration is None or nodes == 0:
        return NEVER_RAN
    return Job(
        number=line,
        id=job_id,
        submit_s=_moment(row["Submit"], "Submit", line),
        duration_s=duration,
        nodes=nodes,
        gpus=_gpus(resources),
        user=row.get("User", ""),
        vc=row.get("Partition", ""),
        priority=_level(row),
        status=state,
    )


def _duration(row: Mapping[str, str], line: int) -> float | None:
    """None when it never started."""
    if row.get("Start", "-") in _UNKNOWN:
        return None
    raw = row.get("ElapsedRaw", "")
    if _is_number(raw):
        return float(raw)
    text = row.get("Elapsed", "")
    if text not in _UNKNOWN:
        found = _ELAPSED.fullmatch(text)
        if not found:
            raise InvalidInput(f"line {line}: Elapsed is {text!r}, no duration", hint=_HINT)
        days, hours, minutes, seconds = (int(part or 0) for part in found.groups())
        return float(((days * 24 + hours) * 60 + minutes) * 60 + seconds)
    if row.get("Start", "") in _UNKNOWN or row.get("End", "") in _UNKNOWN:
        return None
    return max(0.0, _moment(row["End"], "End", line) - _moment(row["Start"], "Start", line))


def _moment(text: str, name: str, line: int) -> float:
    """Seconds of a local time as Slurm prints it, or of Unix seconds (SLURM_TIME_FORMAT=%s).

    Only differences count: a zone that is not told (`%z`) is taken as UTC.
    """
    if _is_number(text):
        return float(text)
    try:
        return unix_seconds(_OFFSET.sub("", text))
    except (ValueError, OverflowError):
        raise InvalidInput(f"line {line}: {name} is {text!r}, no time", hint=_HINT) from None


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit()


def _count(row: Mapping[str, str], *names: str) -> int:
    texts = (row.get(name, "") for name in names)
    return next((int(text) for text in texts if _is_number(text)), 0)


def _resources(text: str) -> dict[str, int]:
    """Counts of `billing=64,cpu=64,gres/gpu=16,mem=2T,node=2`."""
    pairs = (part.partition("=") for part in text.split(","))
    return {name: int(value) for name, _, value in pairs if _is_number(value)}


def _gpus(resources: Mapping[str, int]) -> int:
    if "gres/gpu" in resources:
        return resources["gres/gpu"]
    return sum(count for name, count in resources.items() if name.startswith("gres/gpu:"))


def _level(row: Mapping[str, str]) -> Priority | None:
    names = (row.get(column, "").upper().replace("-", "_") for column in ("QOS", "Priority"))
    return next((Priority[name] for name in names if name in Priority.__members__), None)
