"""The platform that this machine brought up last: ~/.hai/hai-up.json."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from hai.errors import NotFound
from hai_up.files import read_text, write_private
from hai_up.profile import home_folder


@dataclass(frozen=True, slots=True)
class LastPlatform:
    """Of the last run on this machine. `folder`: where hai-up keeps its own, with Docker."""

    provider: str
    kubeconfig: str = ""
    context: str = ""
    namespace: str = ""
    folder: str = ""


def _place() -> Path:
    return home_folder() / ".hai" / "hai-up.json"


def last_platform() -> LastPlatform | None:
    text = read_text(_place())
    try:
        values: dict[str, Any] = json.loads(text) if text else {}
        return LastPlatform(**values) if values else None
    except (ValueError, TypeError):
        return None


def remember(last: LastPlatform) -> None:
    if last_platform() == last:
        return
    place = _place()
    place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_private(place, json.dumps(asdict(last)) + "\n")


def forget() -> None:
    _place().unlink(missing_ok=True)


def require_last(provider: str = "") -> LastPlatform:
    """NotFound where this machine has brought none up, or none of that provider."""
    last = last_platform()
    if last is None or provider not in ("", last.provider):
        kind = f" of the provider {provider}" if last is not None else ""
        raise NotFound(
            f"this machine has brought up no platform{kind}", hint="hai-up run -c config.sh"
        )
    return last
