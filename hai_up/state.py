"""What hai-up remembers in a data folder between its runs (hai-up.json, 0600)."""

import json
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Protocol

from hai.errors import PlatformError
from hai_up.files import read_text, write_private
from hai_up.layout import Layout

LAYOUT_VERSION = 1


@dataclass(frozen=True, slots=True)
class State:
    """The options of the last run and the first user's token, which `down` needs."""

    version: str
    host: str
    port: int
    nodes: int
    gpus_per_node: int
    hollow_nodes: int
    group: str
    user: str
    database_url: str = ""
    token: str = ""
    # nodes, hollow_nodes, group and user that the quotas were set for; {}: never
    prepared: dict[str, Any] = field(default_factory=dict)
    studio: bool = True
    studio_port: int = 8080
    python: str = ""  # the interpreter that started it: its installation
    replaced_profile: str = ""  # backup of the profile that was there before
    seed: str = ""  # fingerprint of the users of USER_INFO that were imported
    layout: int = LAYOUT_VERSION
    jupyter_group: str = "jupyter_cpu"
    jupyter_nodes: int = 0


def load_state(layout: Layout) -> State | None:
    """None in a folder that hai-up has not used. PlatformError if it is newer or damaged."""
    text = read_text(layout.state)
    if text is None:
        return None
    try:
        values: dict[str, Any] = json.loads(text)
        newer = values["layout"] > LAYOUT_VERSION
        version = str(values["version"])
        known = {item.name for item in fields(State)}
        state = None if newer else State(**{k: v for k, v in values.items() if k in known})
    except (ValueError, TypeError, KeyError) as error:
        raise PlatformError(
            f"{layout.state} is damaged ({error})",
            hint=f"restore it from a backup, or move {layout.root} away and run again",
        ) from error
    if state is None:
        raise newer_folder(layout, version)
    return state


class Prepared(Protocol):
    """State or Options: what the quotas were set for, or are to be."""

    @property
    def nodes(self) -> int: ...
    @property
    def hollow_nodes(self) -> int: ...
    @property
    def group(self) -> str: ...
    @property
    def user(self) -> str: ...


def preparation(source: Prepared) -> dict[str, Any]:
    """What the quotas in the database depend on."""
    return {name: getattr(source, name) for name in ("nodes", "hollow_nodes", "group", "user")}


def newer_folder(layout: Layout, version: str) -> PlatformError:
    return PlatformError(
        f"{layout.root} was written by HAI {version}, which is newer than this one",
        hint="hai-up upgrade --tools installs the newest HAI",
    )


def save_state(layout: Layout, state: State) -> None:
    write_private(layout.state, json.dumps(asdict(state), indent=1, sort_keys=True) + "\n")
