"""What a trace holds: jobs, and which of them are simulated on how many nodes.

A trace speaks of jobs; one job becomes one task of the simulated platform.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from hai.core.types import Priority
from hai.errors import InvalidInput


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One job of a trace. Times are seconds since the trace's start.

    `number` is its place in the trace's order of submission. `nodes` and `gpus` are 0 where the
    trace does not say; `user`, `vc` and `status` are empty there.
    """

    number: int
    id: str
    submit_s: float
    duration_s: float
    nodes: int = 0
    gpus: int = 0
    user: str = ""
    vc: str = ""
    priority: Priority | None = None
    status: str = ""


@dataclass(frozen=True, slots=True)
class Trace:
    """Jobs in the order of submission, and how many rows were left out, by reason."""

    jobs: tuple[Job, ...]
    left_out: Mapping[str, int] = field(default_factory=dict)


def check_text(text: str, name: str, line: int) -> None:
    """Raises InvalidInput if a field that is read holds bytes that are no text (as surrogates)."""
    if any("\ud800" <= char <= "\udfff" for char in text):
        raise InvalidInput(
            f"line {line}: {name} is {text!r}, and must be text in UTF-8",
            hint="correct the line or take it out",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Which jobs of a trace are simulated, and the pool that they run on.

    `begin_s` <= submission < `end_s`; whole nodes of `gpus_per_node` GPUs are given out.
    """

    nodes: int
    gpus_per_node: int = 8
    vc: str | None = None
    begin_s: float | None = None
    end_s: float | None = None
    min_gpus: int = 0
    skip_too_wide: bool = False

    def __post_init__(self) -> None:
        for name in ("nodes", "gpus_per_node"):
            if getattr(self, name) < 1:
                option = "--nodes" if name == "nodes" else "--gpus"
                raise InvalidInput(f"{option} must be 1 or more", hint="it describes the pool")


TOO_WIDE = "wider than the pool"


def in_order(jobs: Iterable[Job]) -> tuple[Job, ...]:
    """By submission, rows of one second as the trace lists them; numbered so."""
    ordered = sorted(jobs, key=lambda job: job.submit_s)
    return tuple(replace(job, number=number) for number, job in enumerate(ordered))


def chosen(trace: Trace, choice: Choice) -> Trace:
    """The jobs to simulate, each with its width in nodes.

    Raises InvalidInput when none is left, or when one is wider than the pool.
    """
    kept, too_wide = [], 0
    for job in trace.jobs:
        if not _is_asked_for(job, choice):
            continue
        sized = _sized(job, choice.gpus_per_node)
        if sized.nodes <= choice.nodes:
            kept.append(sized)
        elif choice.skip_too_wide:
            too_wide += 1
        else:
            raise InvalidInput(
                f"job {job.id} needs {sized.nodes} nodes and the pool has {choice.nodes}",
                hint="give more --nodes, or leave such jobs out with --skip-too-wide",
            )
    if not kept:
        raise InvalidInput("no job of the trace is left to simulate", hint=_who_is_there(trace))
    left_out = {**trace.left_out, TOO_WIDE: too_wide} if too_wide else trace.left_out
    return Trace(in_order(kept), left_out)


def _is_asked_for(job: Job, choice: Choice) -> bool:
    if choice.vc is not None and job.vc != choice.vc:
        return False
    if choice.begin_s is not None and job.submit_s < choice.begin_s:
        return False
    if choice.end_s is not None and job.submit_s >= choice.end_s:
        return False
    gpus = job.gpus or job.nodes * choice.gpus_per_node
    return gpus >= choice.min_gpus


def _sized(job: Job, gpus_per_node: int) -> Job:
    return job if job.nodes else replace(job, nodes=max(1, -(-job.gpus // gpus_per_node)))


def _who_is_there(trace: Trace) -> str:
    if not trace.jobs:
        return "the trace holds no job that ran"
    first, last = trace.jobs[0].submit_s, trace.jobs[-1].submit_s
    told = f"it holds {len(trace.jobs)} jobs, submitted from {first:g} to {last:g} s"
    vcs = _names(job.vc for job in trace.jobs)
    return f"{told}, in {', '.join(vcs[:12])}" if vcs else told


def _names(names: Iterable[str]) -> Sequence[str]:
    return sorted(set(names) - {""})
