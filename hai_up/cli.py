"""The `hai-up` command: deploy and look after a HAI platform."""

import os
import sys
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from hai import __version__
from hai.console.errors import leave
from hai.errors import InvalidInput
from hai_up.choice import (
    LOCAL,
    deployment_warnings,
    last_provider,
    provider_named,
    provider_of,
    require_file,
    text_of,
    values_of,
)
from hai_up.config import GivenOptions, given_in_file, merged, refuse_password_in_argv, warnings_of
from hai_up.console import data, folder, guarded, say
from hai_up.last import require_last
from hai_up.maintenance import backup, restore, upgrade
from hai_up.providers.deployments import deployment

app = typer.Typer(
    name="hai-up",
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)

ProviderOption = Annotated[
    str | None,
    typer.Option(
        "-p",
        "--provider",
        metavar="k8s|docker-compose|local",
        help="Where: a cluster, Docker here, or just here. [as -c FILE says, else local]",
    ),
]
ConfigOption = Annotated[
    Path | None,
    typer.Option("-c", "--config", metavar="FILE", help="NAME=value lines; see hai-up config."),
]
DataDirOption = Annotated[
    Path | None,
    typer.Option(
        "--data-dir",
        metavar="FOLDER",
        parser=folder,
        envvar="HAI_DATA_DIR",
        help="Everything the platform keeps. [/var/lib/hai for root, else ~/.local/share/hai]",
    ),
]
HostOption = Annotated[str | None, typer.Option(help="Address to listen on. [127.0.0.1]")]
PortOption = Annotated[int | None, typer.Option(help="Port; 0: any free one. [7420]")]
NodesOption = Annotated[int | None, typer.Option(help="Shares of this machine. [4]")]
GpusOption = Annotated[int | None, typer.Option(help="GPUs of each node. [8]")]
HollowOption = Annotated[int | None, typer.Option(help="Nodes whose tasks are only simulated. [0]")]
StudioOption = Annotated[
    bool | None,
    typer.Option("--studio/--no-studio", help="The dashboard in the browser. [as installed]"),
]
StudioPortOption = Annotated[
    int | None, typer.Option("--studio-port", help="Its port; 0: any free one. [8080]")
]
UserOption = Annotated[str | None, typer.Option(help="First user, an admin. [you]")]
DatabaseOption = Annotated[
    str | None,
    typer.Option(
        "--database-url",
        metavar="URL",
        help="A PostgreSQL to use instead of our own; with a password: in HAI_DATABASE_URL.",
    ),
]
DatabaseFileOption = Annotated[
    Path | None, typer.Option("--database-url-file", metavar="FILE", help="File with that URL.")
]
OutputOption = Annotated[str, typer.Option("-o", "--output", help="table, json or yaml.")]
YesOption = Annotated[bool, typer.Option("-y", "--yes", help="Do not ask.")]


def _exit(code: int) -> NoReturn:
    raise typer.Exit(code)


def _show_version(is_asked: bool) -> None:
    if is_asked:
        data(f"hai-up {__version__}")
        _exit(0)


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show it.")
    ] = False,
) -> None:
    """Deploy HAI and look after it.

    On this machine: hai-up run. Then: hai-up status, hai-up logs, hai-up down.

    On a Kubernetes cluster, in three steps:

    1. make sure of kubectl get nodes, a file system that all nodes share, and the image;

    2. hai-up config > config.sh, and edit it;

    3. hai-up run -c config.sh

    With Docker on this machine: make sure of docker info and the image; then the same with
    hai-up config -p docker-compose > config.sh
    """


def run(  # noqa: PLR0913 - one argument per option
    provider: ProviderOption = None,
    config: ConfigOption = None,
    data_dir: DataDirOption = None,
    host: HostOption = None,
    port: PortOption = None,
    nodes: NodesOption = None,
    gpus_per_node: GpusOption = None,
    hollow_nodes: HollowOption = None,
    user: UserOption = None,
    database_url: DatabaseOption = None,
    database_url_file: DatabaseFileOption = None,
    studio: StudioOption = None,
    studio_port: StudioPortOption = None,
    yes: YesOption = False,
) -> None:
    """Start the platform, or say that it runs.

    Options that are not given keep the values of the last run. For example:
    hai-up run --nodes 2 --gpus-per-node 4
    """
    values = values_of(config, say)
    where = provider_of(provider, values)
    if where != LOCAL:
        require_file(config, where)
        _warn(config, deployment_warnings(where, values))
        deployment(where).run(values, is_sure=yes, say=say)
        return
    url = _database_url(database_url, database_url_file)
    shares = (nodes, gpus_per_node, hollow_nodes)
    flags = GivenOptions(data_dir, host, port, *shares, user, None, url, studio, studio_port)
    from hai_up.providers import local

    local.run(_with_config(flags, config, values), say)


app.command("run")(run)
app.command("up", help="The same as run.")(run)


@app.command()
def dryrun(  # noqa: PLR0913 - one argument per option
    provider: ProviderOption = None,
    config: ConfigOption = None,
    data_dir: DataDirOption = None,
    host: HostOption = None,
    port: PortOption = None,
    nodes: NodesOption = None,
    gpus_per_node: GpusOption = None,
    hollow_nodes: HollowOption = None,
    user: UserOption = None,
    database_url: DatabaseOption = None,
    database_url_file: DatabaseFileOption = None,
    studio: StudioOption = None,
    studio_port: StudioPortOption = None,
    out: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Write the files there, not to stdout.")
    ] = None,
) -> None:
    """Say what run would do and show the files that it would write. Changes nothing."""
    values = values_of(config, say)
    where = provider_of(provider, values)
    if where != LOCAL:
        require_file(config, where)
        _warn(config, deployment_warnings(where, values))
        deployment(where).show_plan(values, out, say)
        return
    url = _database_url(database_url, database_url_file)
    shares = (nodes, gpus_per_node, hollow_nodes)
    flags = GivenOptions(data_dir, host, port, *shares, user, None, url, studio, studio_port)
    from hai_up import preview

    preview.show(_with_config(flags, config, values), out, say)


app.command("plan", help="The same as dryrun.")(dryrun)


@app.command()
def config(
    provider: ProviderOption = None,
    interactive: Annotated[
        bool, typer.Option("-i", "--interactive", help="Ask for each value, step by step.")
    ] = False,
) -> None:
    """Print a configuration file to start from.

    For the cluster that kubectl would find, else for this machine. For example:
    hai-up config > config.sh, then hai-up run -c config.sh
    """
    from hai_up import preview

    where = provider_named(provider or preview.provider_here())
    if where == LOCAL:
        template, check = preview.config_template(), preview.check_config
    else:
        there = deployment(where)
        template, check = there.config_template(say), there.check_config
    if interactive:
        from hai_up.interview import interview

        template = interview(template, check, say)
    data(template)


@app.command()
def status(
    provider: ProviderOption = None,
    data_dir: DataDirOption = None,
    output: OutputOption = "table",
) -> None:
    """How the platform is. Exit code: 0 it runs, 3 it does not, 1 it is broken."""
    from hai_up import status as report
    from hai_up.providers import local

    if output not in ("table", "json", "yaml"):
        raise InvalidInput(f"unknown output {output!r}", hint="-o table, json or yaml")
    where = last_provider(provider, data_dir)
    if where != LOCAL:
        facts = deployment(where).status(require_last(where))
        data(report.rendered_parts(facts, output))
    else:
        facts = report.status_of(local.layout_of(GivenOptions(data_dir=data_dir)))
        data(report.rendered(facts, output))
    _exit(report.EXIT_OF[facts["status"]])


@app.command()
def down(
    provider: ProviderOption = None,
    data_dir: DataDirOption = None,
    purge: Annotated[
        bool, typer.Option("--purge", help="End all tasks and remove all data, after asking.")
    ] = False,
    yes: YesOption = False,
    timeout: Annotated[
        float, typer.Option(min=0, help="Seconds that running tasks get to save.")
    ] = 120.0,
) -> None:
    """Suspend what runs and stop the platform; data is kept.

    Tasks go on at the next hai-up run. With --purge everything is removed.
    """
    from hai_up import shutdown
    from hai_up.providers import local

    where = last_provider(provider, data_dir)
    if where != LOCAL:
        last, there = require_last(where), deployment(where)
        if purge:
            there.purge(last, is_sure=yes, say=say)
        else:
            there.down(last, seconds=timeout, say=say)
        return
    layout = local.layout_of(GivenOptions(data_dir=data_dir))
    if purge:
        shutdown.purge(layout, is_sure=yes, say=say)
    else:
        shutdown.down(layout, seconds=timeout, say=say)


@app.command()
def doctor(
    provider: ProviderOption = None,
    config: ConfigOption = None,
    data_dir: DataDirOption = None,
    host: HostOption = None,
    port: PortOption = None,
    output: OutputOption = "table",
    only: Annotated[
        list[str] | None,
        typer.Option(metavar="ID", help="A check or a group of them; may be given again. [all]"),
    ] = None,
) -> None:
    """Look at everything that run needs and say how to mend it.

    On a cluster a pod on each node looks at the shared file system, images and clocks for up to a
    minute and goes again. Exit code 1 if it cannot work.
    """
    from hai_up import preview

    values = values_of(config, say)
    where = provider_of(provider, values)
    if where != LOCAL:
        require_file(config, where)
        found = deployment(where).checks(values, only or ())
        _exit(0 if preview.show_checks(found, output) else 1)
    flags = GivenOptions(
        data_dir=data_dir, host=host, port=port, database_url=_database_url(None, None)
    )
    given = _with_config(flags, config, values)
    _exit(0 if preview.doctor(given, output, only or ()) else 1)


app.command("check", help="The same as doctor.")(doctor)


@app.command()
def logs(
    provider: ProviderOption = None,
    data_dir: DataDirOption = None,
    follow: Annotated[bool, typer.Option("-f", "--follow", help="Go on as it grows.")] = False,
    tail: Annotated[int, typer.Option("-n", "--tail", min=0, help="Last lines.")] = 50,
    path: Annotated[bool, typer.Option("--path", help="Say only where it is.")] = False,
) -> None:
    """Show the server's log.

    On a cluster that of each of its processes.
    """
    from hai_up import preview
    from hai_up.providers import local

    where = last_provider(provider, data_dir)
    if where != LOCAL:
        last, there = require_last(where), deployment(where)
        if path:
            there.show_paths(last)
        else:
            there.show_log(last, tail=tail, follow=follow)
        return
    layout = local.layout_of(GivenOptions(data_dir=data_dir))
    if path:
        data(str(layout.log))
    else:
        preview.show_log(layout.log, tail=tail, follow=follow)


def _warn(config: Path | None, lines: list[str]) -> None:
    for line in lines:
        say(f"warning: {config}: {line}")


def _database_url(flag: str | None, file: Path | None) -> str | None:
    """Flag, then file, then HAI_DATABASE_URL. An empty one means: our own PostgreSQL."""
    refuse_password_in_argv(flag)
    if flag is not None:
        return flag
    return text_of(file).strip() if file else os.environ.get("HAI_DATABASE_URL")


def _with_config(flags: GivenOptions, config: Path | None, values: dict[str, str]) -> GivenOptions:
    if config is None:
        return flags
    _warn(config, warnings_of(values))
    return merged(flags, given_in_file(values))


for command in (backup, restore, upgrade):
    app.command()(command)


def main() -> NoReturn:
    os.umask(os.umask(0o022) | 0o022)  # nothing that others may change, for the server as well
    words = sys.argv[1:] or ["--help"]  # a bare `hai-up` is a question, not a mistake
    leave(guarded(lambda: app(words, prog_name="hai-up", standalone_mode=False)))


if __name__ == "__main__":
    main()
