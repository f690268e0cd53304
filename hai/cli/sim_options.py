"""The options that `sim run` and `sim compare` share: which jobs, which pool, on which terms."""

import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Annotated, Any

from hai.cli.grammar import parse_duration
from hai.console.commands import option

_POOL = "Pool"
_JOBS = "Which jobs"
_TERMS = "Terms"


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulationOptions:
    """The options as typed."""

    nodes: int | None = None
    gpus: int = 8
    vc: str | None = None
    begin: str | None = None
    end: str | None = None
    min_gpus: int = 0
    skip_too_wide: bool = False
    suspend_cost: str = "30s"
    tick: str | None = None
    checkpoint_every: str | None = None


OPTIONS: dict[str, Any] = {
    "nodes": Annotated[
        int | None,
        option("-n", "--nodes", metavar="N", help="Nodes of the pool; needed.", panel=_POOL),
    ],
    "gpus": Annotated[
        int,
        option(
            "--gpus",
            metavar="N",
            help="GPUs per node; whole nodes are given out.",
            panel=_POOL,
            show_default=True,
        ),
    ],
    "vc": Annotated[
        str | None, option("--vc", metavar="NAME", help="Of this virtual cluster.", panel=_JOBS)
    ],
    "begin": Annotated[
        str | None,
        option("--begin", metavar="S", help="Submitted at S seconds or later.", panel=_JOBS),
    ],
    "end": Annotated[
        str | None, option("--end", metavar="S", help="Submitted before S seconds.", panel=_JOBS)
    ],
    "min_gpus": Annotated[
        int, option("--min-gpus", metavar="G", help="Of G GPUs or more.", panel=_JOBS)
    ],
    "skip_too_wide": Annotated[
        bool,
        option("--skip-too-wide", help="Leave out what the pool cannot hold.", panel=_JOBS),
    ],
    "suspend_cost": Annotated[
        str,
        option(
            "--suspend-cost",
            metavar="TIME",
            help="A suspended task keeps its nodes for so long, to save. References pay nothing.",
            panel=_TERMS,
            show_default=True,
        ),
    ],
    "tick": Annotated[
        str | None,
        option(
            "--tick",
            metavar="TIME",
            help="Decide at multiples of it only.",
            panel=_TERMS,
            show_default="0s: at every event; tiresias 60s",
        ),
    ],
    "checkpoint_every": Annotated[
        str | None,
        option(
            "--checkpoint-every",
            metavar="TIME",
            help="Tasks save so often; a suspend loses what they did since.",
            panel=_TERMS,
            show_default="a suspend loses no work",
        ),
    ],
}


def seconds(text: str | None) -> float | None:
    """Of a duration that may have been left out."""
    return None if text is None else parse_duration(text)


def with_wishes(function: Callable[..., int | None]) -> Callable[..., int | None]:
    """`function(session, wishes, ...)` as it is registered: the options in place of `wishes`."""
    session, _, *own = inspect.signature(function).parameters.values()
    kind = inspect.Parameter.KEYWORD_ONLY
    defaults = {knob.name: knob.default for knob in fields(SimulationOptions)}
    extra = [
        inspect.Parameter(name, kind, default=defaults[name], annotation=annotation)
        for name, annotation in OPTIONS.items()
    ]

    @functools.wraps(function)
    def run(session: Any, **values: Any) -> int | None:
        wishes = SimulationOptions(**{name: values.pop(name) for name in OPTIONS})
        return function(session, wishes, **values)

    signature = inspect.Signature([session, *own, *extra])
    run.__signature__ = signature  # type: ignore[attr-defined]
    return run
