"""hai-cli python | bash | exec: here, simulated, or on the cluster."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import typer

from hai.cli.document import (
    SubmitOptions,
    build_document,
    check_file,
    check_present,
    scheduling_options,
)
from hai.cli.launch_options import (
    After,
    Array,
    Detach,
    DocumentOptions,
    DryRun,
    Env,
    EnvFollow,
    Environments,
    Follow,
    Image,
    LifeState,
    Name,
    Nodes,
    NoInherit,
    Retry,
    SuspendSeconds,
    TargetGroup,
    TargetPriority,
    TimeLimit,
)
from hai.cli.local_run import command_line, local_environment, run_here, simulated_environment
from hai.cli.pushed import in_pushed_copy, pushed_copy
from hai.cli.session import Session, with_session
from hai.cli.snapshot import has_snapshots, in_snapshot, runs_elsewhere
from hai.cli.split import SEPARATORS, RunMode, Split, split_command
from hai.cli.submit import submit
from hai.client.environments import with_environment
from hai.console.commands import HELP_NAMES, HaiCommand, UsageError, new_app

_SPLIT = "hai.split"
# Parameters that only one of the modes knows, by their names below.
_ONLY_SIMULATE = ("suspend_seconds", "life_state")
_SHARED = ("quiet", "verbose", "debug", "color", "timeout", "url", "output", "json")

_DETAILS = """{what} FILE with its arguments. What follows FILE is the program's own command line
and is passed on untouched, options too. A separator says where it runs: none = here; `--` = on the
cluster; `++` = here, simulating a task. Options of hai-cli follow the separator.

A program that needs a `--` or `++` of its own cannot be started in this form: write a run document
and use `hai-cli run`. On the cluster the directory must exist at the same path: nothing is copied.

Exit code: the program's; with -f the task's (0 succeeded, its own when it failed, 1 stopped, 130
after Ctrl-C, which only detaches)."""

_EXAMPLES = """
hai-cli {verb} {file} --lr 0.1                   run it here
hai-cli {verb} {file} --lr 0.1 -- -n 2 -f        on two nodes, follow the output
hai-cli {verb} {file} -- -n 4 -p HIGH -e A=1     with priority and environment
hai-cli {verb} {file} -- --array 0-9%2 --time 2h  ten tasks, two at once, two hours each
hai-cli {verb} {file} -- --after 12 --retry 3    when task 12 has succeeded; try again on failure
hai-cli {verb} {file} -- --dry-run               print the document only
hai-cli {verb} {file} ++ -ss 30                  simulate a suspend after 30 s
"""


class LaunchCommand(HaiCommand):
    """Cuts the command line before Typer sees it: only what follows the separator is ours."""

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        return ["FILE [ARGS...] [-- CLUSTER OPTIONS | ++ SIMULATE OPTIONS]"]

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if args[:1] and args[0] in HELP_NAMES:
            return super().parse_args(ctx, args[:1])
        if ctx.resilient_parsing:
            return super().parse_args(ctx, _behind_separator(args))
        ctx.meta[_SPLIT] = split = _split(ctx, args)
        rest = super().parse_args(ctx, list(split.options))
        _check_mode(self, ctx, split.mode)
        return rest


def _behind_separator(args: list[str]) -> list[str]:
    cut = next((i for i, word in enumerate(args) if word in SEPARATORS), len(args))
    return args[cut + 1 :]


def _split(ctx: Any, args: list[str]) -> Split:
    split = split_command(args)
    if not split.program:
        raise UsageError("FILE is missing", ctx)
    if split.program[0].startswith("-"):
        raise UsageError(
            f"FILE comes first, before {split.program[0]}; options of hai-cli follow `--` or `++`",
            ctx,
        )
    return split


def _check_mode(command: Any, ctx: Any, mode: RunMode) -> None:
    for param in command.params:
        source = ctx.get_parameter_source(param.name)
        typed = source is not None and source.name == "COMMANDLINE"
        only_simulate = param.name in _ONLY_SIMULATE
        if not typed or param.name in _SHARED or only_simulate == (mode is RunMode.SIMULATE):
            continue
        word = "`++`" if only_simulate else "`--`"
        raise UsageError(f"{max(param.opts, key=len)} is possible only after {word}", ctx)


def launch(  # noqa: PLR0913 (one parameter per option)
    session: Session,
    *,
    name: Name = None,
    nodes: Nodes = 1,
    group: TargetGroup = None,
    priority: TargetPriority = None,
    image: Image = None,
    environments: Environments = None,
    options: DocumentOptions = None,
    after: After = None,
    array: Array = None,
    time_limit: TimeLimit = None,
    retry: Retry = None,
    no_inherit: NoInherit = False,
    env: Env = None,
    env_follow: EnvFollow = False,
    follow: Follow = False,
    detach: Detach = False,
    dry_run: DryRun = False,
    suspend_seconds: SuspendSeconds = None,
    life_state: LifeState = 0,
) -> int | None:
    """Replaced by the verb's own text."""
    context = session.context
    split: Split = context.meta[_SPLIT]
    kind = str(context.command.name)
    if split.mode is RunMode.CLUSTER:
        check_file(kind, split.program[0])
        if follow and detach:
            raise UsageError("--follow and --detach contradict each other", context)
        wishes = SubmitOptions(
            name=name,
            nodes=nodes,
            group=group,
            priority=priority,
            image=image,
            environments=environments or (),
            options=options or (),
            scheduling=scheduling_options(after, array, time_limit, retry),
            inherit=not no_inherit and env is None,
        )
        document = build_document(kind, split.program, wishes, session.environ)
        document = with_environment(document, env, follow=env_follow, ask=session.answer_of)
        document = _of_workspace(session, document, dry_run=dry_run)
        return submit(session, document, follow=follow, dry_run=dry_run)
    if split.mode is RunMode.SIMULATE:
        if suspend_seconds is not None and suspend_seconds < 0:
            raise UsageError("--suspend_seconds must not be negative", context)
        environ = simulated_environment(
            session.environ, life_state=life_state, suspend_seconds=suspend_seconds
        )
    else:
        environ = local_environment(session.environ)
    return _run_here(kind, split.program, environ)


def _of_workspace(session: Session, document: dict[str, Any], *, dry_run: bool) -> dict[str, Any]:
    """Inside of a workspace: with its snapshot; a dry run pushes nothing and shows the twin."""
    here = Path(document["spec"]["workspace"])
    if not dry_run and has_snapshots(here):
        return in_snapshot(document, session.stderr.say)
    copy = pushed_copy(here)
    elsewhere = runs_elsewhere(here, is_pushed=copy is not None)
    if copy is None:
        if elsewhere:
            session.stderr.warn(elsewhere)
        return document
    session.stderr.say(f"runs the copy that was pushed at {copy.at}: {copy.folder}")
    if elsewhere:
        session.stderr.say(elsewhere)
    return in_pushed_copy(document, copy)


def _run_here(kind: str, program: Sequence[str], environ: Mapping[str, str]) -> int:
    """Here the verb alone decides what runs FILE: its ending does not matter."""
    file = program[0]
    if kind != "exec":
        check_present(file)
    return run_here(command_line(kind, program, environ), environ)


def _register(app: typer.Typer, name: str, what: str, file: str) -> None:
    command = with_session(launch)
    app.command(
        name,
        cls=LaunchCommand,
        help=_DETAILS.format(what=what),
        epilog=_EXAMPLES.format(verb=name, file=file),
    )(command)


app = new_app()
_register(app, "python", "Run the Python program", "train.py")
_register(app, "bash", "Run the bash script", "train.sh")
_register(app, "exec", "Run the executable", "./train")
