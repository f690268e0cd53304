"""`hai-up backup`, `restore` and `upgrade`: options, and which place they are for."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hai_up.choice import (
    COMPOSE,
    K8S,
    deployment_warnings,
    last_provider,
    provider_of,
    require_file,
    values_of,
)
from hai_up.config import GivenOptions, given_in_file, merged, warnings_of
from hai_up.console import ask, folder, say

if TYPE_CHECKING:
    from hai_up.backup.place import PlatformPlace, UpgradablePlace

_Provider = Annotated[
    str | None,
    typer.Option(
        "-p",
        "--provider",
        metavar="k8s|docker-compose|local",
        help="Where the platform is. [as -c FILE says, else the last run's]",
    ),
]
_Config = Annotated[
    Path | None,
    typer.Option("-c", "--config", metavar="FILE", help="As in hai-up run."),
]
_DataDir = Annotated[
    Path | None,
    typer.Option(
        "--data-dir",
        metavar="FOLDER",
        parser=folder,
        envvar="HAI_DATA_DIR",
        help="Of a platform of this machine.",
    ),
]
_Yes = Annotated[bool, typer.Option("-y", "--yes", help="Do not ask.")]


def backup(
    file: Annotated[
        Path | None,
        typer.Argument(metavar="[FILE]", help="[hai-backup-DATE-TIME.zip in this folder]"),
    ] = None,
    provider: _Provider = None,
    data_dir: _DataDir = None,
) -> None:
    """Write all that the platform knows into one file.

    Database, secrets and configuration, while tasks run. Only you can read the file. hai-up restore
    FILE takes it, on any provider. Logs of tasks and folders of users are not in it.
    """
    from hai_up.backup import flow

    flow.backup(_place(provider, None, data_dir), file, say)


def restore(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What hai-up backup wrote.")],
    provider: _Provider = None,
    config: _Config = None,
    data_dir: _DataDir = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="Forget what the platform holds now, after asking.")
    ] = False,
    yes: _Yes = False,
) -> None:
    """Fill a fresh platform from a backup.

    Where there is no platform yet it is brought up first. Users, quotas, rows, tasks and their
    history are as they were. A task that ran in the old place goes back to the head of its line;
    nodes are those of the new place.
    """
    from hai_up.backup import flow

    place = _place(provider, config, data_dir)
    flow.restore(place, file, replace=replace, is_sure=yes, say=say)


def upgrade(
    provider: _Provider = None,
    config: _Config = None,
    data_dir: _DataDir = None,
    backup_dir: Annotated[
        Path, typer.Option("--backup-dir", metavar="FOLDER", help="Where the backup goes.")
    ] = Path(),
    tools: Annotated[
        bool, typer.Option("--tools", help="Install the newest HAI in this environment instead.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say which HAI runs and which would, and stop.")
    ] = False,
    yes: _Yes = False,
) -> None:
    """Bring the server to another HAI; running tasks go on.

    To the installed one on this machine, on a cluster and with Docker to the BASE_IMAGE of -c
    config.sh. Steps: prepare, stop the server, backup, migrate, start, check. If one fails all is
    taken back.
    """
    if tools:
        _upgrade_tools(is_sure=yes, dry_run=dry_run)
        return
    from hai_up import upgrading

    place = _upgradable(provider, config, data_dir)
    upgrading.upgrade(place, backup_dir, is_sure=yes, say=say, dry_run=dry_run)


def _upgrade_tools(*, is_sure: bool, dry_run: bool) -> None:
    from hai_up import upgrade as tools

    command = tools.command()
    say(f"this runs: {' '.join(command)}")
    if dry_run:
        say("nothing was changed")
    elif is_sure or ask("go on? type yes: ", "yes"):
        tools.carry_out(command)
        say("done; to run the new version: hai-up upgrade")
    else:
        say("nothing was changed")


def _place(provider: str | None, config: Path | None, data_dir: Path | None) -> "PlatformPlace":
    return _upgradable(provider, config, data_dir, needs_file=False)


def _upgradable(
    provider: str | None, config: Path | None, data_dir: Path | None, *, needs_file: bool = True
) -> "UpgradablePlace":
    """-p and -c say where, else the last run does."""
    values = values_of(config, say)
    asked = provider_of(provider, values) if config else last_provider(provider, data_dir)
    if asked == K8S:
        if needs_file:
            require_file(config, K8S)
        from hai_up.backup.kubernetes import KubernetesPlace

        _warn(config, deployment_warnings(K8S, values))
        return KubernetesPlace(values, say)
    if asked == COMPOSE:
        if needs_file:
            require_file(config, COMPOSE)
        from hai_up.backup.compose import ComposePlace

        _warn(config, deployment_warnings(COMPOSE, values))
        return ComposePlace(values, say)
    from hai_up.backup.local import LocalPlace

    given = GivenOptions(data_dir=data_dir)
    if config is not None:
        _warn(config, warnings_of(values))
        given = merged(given, given_in_file(values))
    return LocalPlace(given, say)


def _warn(config: Path | None, lines: list[str]) -> None:
    for line in lines:
        say(f"warning: {config}: {line}")
