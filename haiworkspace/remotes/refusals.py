"""What a workspace behind ssh cannot do, in words."""

from hai.errors import Conflict, Denied, InvalidInput


def closed(root: str, error: OSError) -> Denied:
    return Denied(
        f"cannot write in {root}: {error.strerror or error}",
        hint="init the workspace with --remote, a folder of your own there",
    )


def no_snapshots() -> InvalidInput:
    return InvalidInput(
        "there are no snapshots behind ssh where haiworkspace is not installed",
        hint="install it there (pip install hai-platform), or: haiworkspace init NAME -p api",
    )


def held(root: str, more: str = "") -> Conflict:
    return Conflict(
        f"somebody else transfers into {root} just now", hint=f"wait for it, then try again{more}"
    )
