"""hai-cli images list | add | remove."""

from typing import Annotated

import typer

from hai.cli.dry_run import agreed
from hai.cli.layouts import images_layout
from hai.cli.refs import DryRun
from hai.cli.session import Session, verb
from hai.console.commands import new_app, option
from hai.errors import InvalidInput

app = new_app(
    epilog="""
    hai-cli images list
    hai-cli images add hai_base registry.example.org/hai/train:1 --python /usr/bin/python3
    hai-cli python train.py -i hai_base -- -n 2
    """
)
Name = Annotated[str, typer.Argument(metavar="NAME", help="What tasks call it: -i NAME.")]


@app.callback()
def images() -> None:
    """Images that tasks may run in. Admins offer them under a name, for everybody or for some."""


@verb(app, "list", "hai-cli images list\nhai-cli images list -a -o wide", lists=True)
def list_images(
    session: Session,
    *,
    all_images: Annotated[bool, option("-a", "--all", help="Those of others, too.")] = False,
) -> None:
    """Images that you may use; the first is what tasks get that name none."""
    params = {"all": True} if all_images else {}
    session.output.rows(session.client.call("images", params=params)["images"], images_layout())


@verb(
    app,
    "add",
    """
    hai-cli images add hai_base registry.example.org/hai/train:1
    hai-cli images add torch registry.example.org/torch:2 -e OMP_NUM_THREADS=8 --for vision
    """,
)
def add_image(  # noqa: PLR0913 - one parameter for each column of a row
    session: Session,
    name: Name,
    ref: Annotated[str, typer.Argument(metavar="REF", help="registry/name:tag")],
    *,
    python: Annotated[
        str, option("--python", metavar="PATH", help="Interpreter in the image.")
    ] = "",
    variables: Annotated[
        list[str] | None, option("-e", "--environments", metavar="K=V", help="Variable; again.")
    ] = None,
    owners: Annotated[
        list[str] | None,
        option("--for", metavar="WHO", help="User or group; again.", show_default="public"),
    ] = None,
    rank: Annotated[
        int, option("--rank", metavar="N", help="The largest is the default image.")
    ] = 1,
    dry_run: DryRun = False,
) -> None:
    """Offer an image, or change it (admins)."""
    pairs = [text.partition("=") for text in variables or ()]
    for key, equals, _ in pairs:
        if not equals:
            raise InvalidInput(f"{key!r} sets no variable", hint="write -e NAME=VALUE")
    body = {
        "name": name,
        "ref": ref,
        "python": python,
        "variables": {key: value for key, _, value in pairs},
        "owners": owners or ["public"],
        "rank": rank,
    }
    if dry_run:
        agreed(session, "put_image", body=body)
        session.stderr.say(f"would offer {ref} as {name!r}; nothing was changed")
        return
    session.output.item(session.client.call("put_image", body=body), images_layout())


@verb(app, "remove", "hai-cli images remove hai_base", formats=False)
def remove_image(session: Session, name: Name, *, dry_run: DryRun = False) -> None:
    """Offer an image no longer (admins); tasks that run with it go on."""
    if dry_run:
        agreed(session, "remove_image", name=name)
        session.stderr.say(f"would remove the image {name!r}; nothing was changed")
        return
    session.client.call("remove_image", name=name)
    session.stderr.say(f"image {name!r} is no longer offered")
