"""What hai-up remembers of a platform: beside its compose file, for its own account alone."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from hai.errors import NotFound, PlatformError
from hai_up.cluster.secrets import PlatformSecrets
from hai_up.files import read_text, write_private
from hai_up.layout import Layout


@dataclass(frozen=True, slots=True)
class ComposeState:
    """`config`: the variables of the last run; `labels`: of nodes, with HAI_TASKS=k8s."""

    version: str
    secrets: PlatformSecrets = field(repr=False)
    config: Mapping[str, str] = field(repr=False)
    seed: str = ""  # fingerprint of the rows that were imported
    labels: Mapping[str, str] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)  # hai-up's own in override.toml


def load(folder: Path) -> ComposeState | None:
    """None where hai-up has made no platform."""
    text = read_text(Layout(folder).state)
    if text is None:
        return None
    try:
        known = json.loads(text)
        return ComposeState(**{**known, "secrets": PlatformSecrets(**known["secrets"])})
    except (KeyError, ValueError, TypeError) as error:
        raise PlatformError(
            f"{Layout(folder).state} is damaged ({error})",
            hint="restore it from a backup; did hai-up run of a newer HAI write it?",
        ) from error


def save(folder: Path, state: ComposeState) -> None:
    text = json.dumps(asdict(state), sort_keys=True, indent=1)
    if read_text(Layout(folder).state) != text:
        write_private(Layout(folder).state, text)


def require(folder: Path) -> ComposeState:
    state = load(folder)
    if state is None:
        raise NotFound(f"hai-up has made no platform in {folder.parent}", hint="hai-up run -c FILE")
    return state
