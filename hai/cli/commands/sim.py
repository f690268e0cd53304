"""hai-cli sim run | compare | replay."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hai.cli.session import Session, verb
from hai.cli.sim_options import SimulationOptions, with_wishes
from hai.console.commands import new_app, option
from hai.errors import InvalidInput

if TYPE_CHECKING:
    from hai.core.simulation.engine import Course

app = new_app(
    epilog="""
    hai-cli sim run TRACE.csv.gz --nodes 20
    hai-cli sim compare timeshare fifo sjf --trace TRACE.csv.gz --nodes 20
    """
)
PolicyName = Annotated[
    str,
    option(
        "--policy",
        metavar="NAME",
        help="timeshare, fifo, fifo-skip, sjf, srtf, tiresias, or FILE.toml: timeshare with the "
        "knobs of [scheduler] in it.",
        show_default=True,
    ),
]


@app.callback()
def sim() -> None:
    """Replay a trace of jobs under a scheduling policy, on a virtual clock and without a server.
    timeshare is the scheduler that the server runs: the same code."""


@verb(
    app,
    "run",
    """
    hai-cli sim run docs/examples/traces/venus_vcvGl_sept2020.csv.gz --nodes 20
    hai-cli sim run TRACE --nodes 20 --policy fifo -o json
    hai-cli sim run TRACE --nodes 20 --policy knobs.toml --suspend-cost 2m --plot out.svg
    """,
    lists=True,
)
@with_wishes
def run(
    session: Session,
    wishes: SimulationOptions,
    trace: Annotated[
        str, typer.Argument(metavar="TRACE", help="CSV (may be gzipped), or sacct --parsable2.")
    ],
    *,
    policy: PolicyName = "timeshare",
    plot: Annotated[
        str | None, option("--plot", metavar="FILE.svg", help="Draw the course into a file.")
    ] = None,
) -> None:
    """Simulate one policy: completion times and waits (of all, by gang size, by user), use of the
    pool, suspensions and what they cost. Times are seconds."""
    from hai.cli.sim_inputs import load_candidate
    from hai.cli.sim_runs import Bench, check_plot

    check_plot(plot)
    candidate = load_candidate(policy)
    bench = Bench(trace, wishes, session.stderr)
    course = bench.run(candidate)
    found = bench.result(candidate, course)
    if plot is not None:
        _draw(found, course, plot)
        session.stderr.say(f"drawn in {plot}")
    if session.output.format.is_for_people and not session.output.fields:
        _show(session, found, course)
    else:
        from hai.cli.sim_layouts import result_layout

        session.output.item(found, result_layout())


@verb(
    app,
    "compare",
    """
    hai-cli sim compare timeshare fifo sjf --trace TRACE --nodes 20
    hai-cli sim compare timeshare knobs.toml --trace TRACE --nodes 20 -o json
    hai-cli sim compare before.json after.json
    """,
    lists=True,
)
@with_wishes
def compare(
    session: Session,
    wishes: SimulationOptions,
    candidates: Annotated[
        list[str],
        typer.Argument(
            metavar="A B...", help="Policies as of `run`, or FILE.json that `run -o json` wrote."
        ),
    ],
    *,
    trace: Annotated[
        str | None, option("--trace", metavar="TRACE", help="For policies: what to run.")
    ] = None,
) -> None:
    """One row per policy. RATIO is to the first row; FULL is the occupancy while there was demand
    for the whole pool; 8+ are the gangs of 8 nodes and more. Times are seconds."""
    from hai.cli.sim_layouts import comparison_layout
    from hai.cli.sim_runs import compared, difference

    results = _results(session, wishes, candidates, trace)
    found = difference(results)
    if found:
        session.stderr.warn(f"not of one experiment: {found} differ")
    session.output.rows(compared(results), comparison_layout())


@verb(
    app,
    "replay",
    """
    hai-cli sim replay --from 2h                      the last two hours, decided again
    hai-cli sim replay --from 1d --policy knobs.toml  what other knobs would have decided
    hai-cli sim replay --from 1d --save journal.jsonl
    hai-cli sim replay --file journal.jsonl           without the server that it came from
    """,
    lists=True,
)
def replay(
    session: Session,
    *,
    since: Annotated[
        str | None, option("--from", metavar="TIME", help="Newer than 10m, or than a time.")
    ] = None,
    until: Annotated[
        str | None, option("--to", metavar="TIME", help="Older than 10m, or than a time.")
    ] = None,
    file: Annotated[
        str | None, option("--file", metavar="FILE", help="A saved decision log.")
    ] = None,
    save: Annotated[
        str | None, option("--save", metavar="FILE", help="Keep the decision log in a file.")
    ] = None,
    policy: Annotated[
        str | None,
        option("--policy", metavar="FILE.toml", help="Other knobs than the recorded ones."),
    ] = None,
) -> int:
    """Run the scheduler's recorded inputs through this version's planner. Every tick that it would
    decide otherwise is a row; exit code 1 if there are any. Without a file, for admins."""
    from hai.cli import sim_replay
    from hai.cli.grammar import parse_since
    from hai.cli.sim_inputs import load_candidate
    from hai.core.moments import unix_seconds

    begin = parse_since(since, session.now) if since else None
    end = parse_since(until, session.now) if until else None
    knobs = load_candidate(policy).knobs if policy else None
    records = sim_replay.load(file) if file else sim_replay.fetch(session.client, begin, end)
    if save:
        records = sim_replay.saved(records, save)
    first = unix_seconds(begin) if begin else None
    ticks, rows = 0, []
    for one in sim_replay.replayed(records, first, knobs):
        ticks += 1
        if one.differences or not one.is_intact:
            rows.append(sim_replay.row_of(one))
    session.output.rows(rows, sim_replay.differences_layout())
    session.stderr.say(f"{ticks} ticks decided again, {len(rows)} of them otherwise")
    return 1 if rows else 0


def _results(
    session: Session, wishes: SimulationOptions, candidates: Sequence[str], trace: str | None
) -> list[Mapping[str, Any]]:
    """In the order of `candidates`; all of them are checked before the first simulation."""
    from hai.cli.sim_inputs import load_candidate, load_result
    from hai.cli.sim_runs import Bench

    if len(candidates) < 2:
        raise InvalidInput("there is nothing to compare with", hint="name two policies or more")
    known = [
        load_result(text) if text.endswith(".json") else load_candidate(text) for text in candidates
    ]
    if all(isinstance(one, dict) for one in known):
        return [one for one in known if isinstance(one, dict)]
    if trace is None:
        raise InvalidInput("policies need a trace to run on", hint="add --trace TRACE --nodes N")
    bench = Bench(trace, wishes, session.stderr)
    return [one if isinstance(one, dict) else bench.result(one, bench.run(one)) for one in known]


def _show(session: Session, found: Mapping[str, Any], course: "Course") -> None:
    """For people: the figures, then the course."""
    from hai.cli import sim_layouts as layouts

    output = session.output
    output.text(layouts.headline(found))
    output.rows(layouts.spreads(found), layouts.spread_layout())
    output.text("\n" + "\n".join(layouts.facts(found)) + "\n")
    output.text("\n")
    output.rows(layouts.parts(found["by_gang"], "gang"), layouts.part_layout("gang", "NODES"))
    users = layouts.parts(found["by_user"], "user")
    if users:
        output.text("\n")
        output.rows(users[: layouts.MOST_USERS], layouts.part_layout("user", "USER"))
        if len(users) > layouts.MOST_USERS:
            session.stderr.say(
                f"{layouts.MOST_USERS} of {len(users)} users, by node time; -o json holds all"
            )
    output.text("\n" + _chart(session, found, course))


def _chart(session: Session, found: Mapping[str, Any], course: "Course") -> str:
    from hai.cli.sim_chart import ASCII, BLOCKS, can_show_blocks, chart_text, chart_width
    from hai.core.simulation.series import series

    glyphs = BLOCKS if can_show_blocks(session.output.stream.encoding) else ASCII
    return chart_text(series(course, found["nodes"], chart_width(session.output.width)), glyphs)


def _draw(found: Mapping[str, Any], course: "Course", file: str) -> None:
    from hai.cli.sim_layouts import headline
    from hai.cli.sim_svg import BINS, chart_svg
    from hai.core.simulation.series import series

    drawn = chart_svg(series(course, found["nodes"], BINS), headline(found).strip())
    Path(file).write_text(drawn, encoding="utf-8")
