"""The environments that images bring (rows of train_environment), for the list of all."""

from collections.abc import Mapping
from typing import Any

from hai.errors import HaiError

_SECONDS = 2.0  # for the server: the list of environments needs none
OWNER = "(image)"


def offered_images() -> list[Mapping[str, Any]]:
    """Those that this user may name, as rows of the list; [] without a server that answers."""
    try:
        from hai.client.plain import PlainClient
        from hai.client.profile import load_profile

        client = PlainClient(load_profile(), timeout_seconds=_SECONDS)
        found = client.call("images")["images"]
    except (HaiError, KeyError, TypeError):
        return []
    return [_row(image) for image in found]


def _row(image: Mapping[str, Any]) -> Mapping[str, Any]:
    return {
        "user": OWNER,
        "name": str(image.get("name")),
        "path": str(image.get("ref")),
        "extend": False,
        "extend_env": None,
        "py": str(image.get("python") or ""),
        "created_at": None,
    }
