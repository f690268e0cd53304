"""What an admin wrote into override.toml by hand: kept in a backup as a list of its own, because
hai-up's own settings there are those of the place."""

import json
import tomllib
from collections.abc import Callable, Mapping
from typing import Any

from hai_up.backup.archive import Archive
from hai_up.plan import Sections, added_to

ADDED, OVERRIDE = "added.json", "override.toml"
_WHERE = "they stand in config/override.toml of the file, for you to add"


def files_of(override: str, ours: Mapping[str, Any]) -> dict[str, str]:
    """For a backup: the file as it is, and what of it was added. Of a file that cannot be read, or
    of which nobody knows who wrote what (`ours` is empty), only the file."""
    files = {OVERRIDE: override}
    try:
        old = tomllib.loads(override)
    except tomllib.TOMLDecodeError:
        return files
    if ours:
        files[ADDED] = json.dumps(added_to(old, ours), default=str, sort_keys=True)
    return files


def added_in(archive: Archive) -> Sections | None:
    """None: the backup does not say."""
    text = archive.config(ADDED)
    return None if text is None else json.loads(text)


def tell_left_out(
    archive: Archive, provider: str, now: Mapping[str, Any] | None, say: Callable[[str], None]
) -> None:
    """Which added keys a restore will not bring, and why. `now`: what override.toml holds in the
    place; None where there is no platform yet, which gets them all."""
    is_same, added = archive.manifest.provider == provider, added_in(archive)
    if added is None:
        if archive.config(OVERRIDE) and not (is_same and now is None and provider == "local"):
            say(
                "note: this backup is of a HAI that did not say what you had added to override.toml"
            )
            say(f"  by hand: compare it, {_WHERE}")
        return
    if is_same and now is None:
        return
    there = now or {}
    names = [
        f"[{section}] {key}"
        for section, values in sorted(added.items())
        for key, value in sorted(values.items())
        if there.get(section, {}).get(key) != value
    ]
    if names:
        of_another = f"the backup is of {archive.manifest.provider}"
        why = "this platform has an override.toml of its own" if is_same else of_another
        say(f"note: what you had added to override.toml is not taken over, because {why}:")
        say(f"  {', '.join(names)}; {_WHERE}")
