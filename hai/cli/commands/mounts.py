"""hai-cli mounts list | add | remove."""

from typing import Annotated

import typer

from hai.cli.dry_run import agreed
from hai.cli.layouts import mounts_layout
from hai.cli.refs import DryRun
from hai.cli.session import Session, verb
from hai.console.commands import new_app, option

app = new_app(
    epilog="""
    hai-cli mounts list
    hai-cli mounts add '/nfs/{user.user_name}' /workspace --type DirectoryOrCreate
    hai-cli mounts add datasets /data --type pvc --read-only --for vision
    """
)


@app.callback()
def mounts() -> None:
    """Files that tasks find mounted in their containers. Admins write the rows."""


@verb(app, "list", "hai-cli mounts list\nhai-cli mounts list -a -o wide", lists=True)
def list_mounts(
    session: Session,
    *,
    all_rows: Annotated[bool, option("-a", "--all", help="Those of others, too.")] = False,
) -> None:
    """What your tasks find mounted, where the conditions hold."""
    params = {"all": True} if all_rows else {}
    session.output.rows(session.client.call("mounts", params=params)["mounts"], mounts_layout())


@verb(
    app,
    "add",
    """
    hai-cli mounts add /data /data --read-only
    hai-cli mounts add '/nfs/{user.user_name}' '/home/{user.user_name}' --type DirectoryOrCreate
    hai-cli mounts add nccl:nccl.conf /etc/nccl.conf --type configmap --if '{task.nodes} > 1'
    """,
)
def add_mount(  # noqa: PLR0913 - one parameter for each column of a row
    session: Session,
    source: Annotated[
        str, typer.Argument(metavar="SOURCE", help="Path on the node; or NAME[:PATH_IN_IT].")
    ],
    mount_path: Annotated[str, typer.Argument(metavar="PATH", help="Where tasks find it.")],
    *,
    kind: Annotated[
        str,
        option(
            "--type",
            metavar="TYPE",
            help="Directory, DirectoryOrCreate, File, FileOrCreate, Socket, pvc or configmap.",
            show_default="any path",
        ),
    ] = "",
    owners: Annotated[
        list[str] | None,
        option("--for", metavar="WHO", help="User or group; again.", show_default="public"),
    ] = None,
    conditions: Annotated[
        list[str] | None,
        option("--if", metavar="CONDITION", help="As \"'{task.group}' == 'gpu'\"; again: and."),
    ] = None,
    read_only: Annotated[bool, option("--read-only", help="Nobody can write there.")] = False,
    name: Annotated[
        str, option("--name", metavar="NAME", help="Of the row.", show_default="made up")
    ] = "",
    dry_run: DryRun = False,
) -> None:
    """Add a row, or replace the one of its name (admins)."""
    is_object = kind.lower() in ("pvc", "configmap")
    source, _, sub_path = source.partition(":") if is_object else (source, "", "")
    body = {
        "name": name,
        "source": source,
        "sub_path": sub_path,
        "mount_path": mount_path,
        "type": kind,
        "owners": owners or ["public"],
        "conditions": conditions or [],
        "read_only": read_only,
    }
    if dry_run:
        agreed(session, "put_mount", body=body)
        session.stderr.say(f"would mount {source} at {mount_path}; nothing was changed")
        return
    session.output.item(session.client.call("put_mount", body=body), mounts_layout())


@verb(app, "remove", "hai-cli mounts remove data-1f2e3d4c", formats=False)
def remove_mount(
    session: Session,
    name: Annotated[str, typer.Argument(metavar="NAME", help="Of the row, as listed.")],
    *,
    dry_run: DryRun = False,
) -> None:
    """Forget a row (admins); workers that have it mounted keep it."""
    if dry_run:
        agreed(session, "remove_mount", name=name)
        session.stderr.say(f"would remove the mount {name!r}; nothing was changed")
        return
    session.client.call("remove_mount", name=name)
    session.stderr.say(f"mount {name!r} is removed")
