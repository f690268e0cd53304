"""What somebody named and is not there: said alike everywhere, with what to look at."""

from collections.abc import Iterable

from hai.errors import HaiError, InvalidInput, NotFound


def no_user(name: str) -> NotFound:
    return NotFound(f"there is no user {name!r}", hint="hai-cli users list names them")


def no_image(name: str) -> NotFound:
    return NotFound(f"there is no image {name!r}", hint="hai-cli images list -a names them")


def no_mount(name: str) -> NotFound:
    return NotFound(f"there is no mount {name!r}", hint="hai-cli mounts list -a names them")


def no_owner(name: str) -> NotFound:
    """Of rows that belong to a user, or to a group or team of users."""
    return NotFound(f"there is no user or group {name!r}", hint="hai-cli users list")


def no_group(name: str, groups: Iterable[str], kind: type[HaiError] = InvalidInput) -> HaiError:
    """`groups`: those that have nodes."""
    known = ", ".join(sorted(groups)) or "none"
    return kind(f"there is no group {name!r}", hint=f"groups here: {known}")
