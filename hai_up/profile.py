"""~/.hai/conf.yaml, so that hai-cli works at once: written for the user who runs hai-up."""

import os
from collections.abc import Callable
from itertools import chain, count
from pathlib import Path

import yaml

from hai.errors import PlatformError
from hai_up.files import os_error, read_text, write_private


def home_folder() -> Path:
    """$HOME, else the account's. PlatformError where there is neither."""
    try:
        return Path.home()
    except RuntimeError as error:
        raise PlatformError(
            f"user {os.getuid()} has no home folder", hint="set HOME, or HAI_CONF and HAI_DATA_DIR"
        ) from error


def profile_path() -> Path:
    """$HAI_CONF, or ~/.hai/conf.yaml. PlatformError where nobody knows what ~ is."""
    path = os.environ.get("HAI_CONF", "")
    return Path(path) if path else home_folder() / ".hai" / "conf.yaml"


def read_profile(path: Path) -> dict[str, str]:
    """Its texts; {} if it is missing or no yaml mapping."""
    text = read_text(path)
    try:
        values = yaml.safe_load(text or "")
    except yaml.YAMLError:
        return {}
    return {str(k): str(v) for k, v in values.items()} if isinstance(values, dict) else {}


def write_profile(
    path: Path, values: dict[str, str], works: Callable[[str], bool], say: Callable[[str], None]
) -> str:
    """Make the profile point at this platform.

    A profile for the same url whose token `works` is kept as it is. One for another server is
    kept as <name>.bak; returns that path, or "". One with this very token is the platform's own,
    from when it had another port.
    """
    old = read_profile(path)
    is_here = old.get("url", "").rstrip("/") == values["url"]
    if is_here and works(old.get("token", "")):
        return ""
    backup = ""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if path.exists() and not is_here and old.get("token") != values["token"]:
            kept = _free_name(path)
            path.replace(kept)
            backup = os.fspath(kept)
            say(f"your profile for {old.get('url') or 'another server'} is kept as {kept}")
    except OSError as error:
        raise os_error(f"cannot write {path}", error) from error
    write_private(path, yaml.safe_dump(values, sort_keys=False))
    return backup


def _free_name(path: Path) -> Path:
    """Where a backup overwrites none."""
    names = chain(("bak",), (f"bak{number}" for number in count(2)))
    candidates = (path.with_name(f"{path.name}.{name}") for name in names)
    return next(candidate for candidate in candidates if not candidate.exists())


def remove_profile(path: Path, url: str, backup: str) -> str:
    """Take away the profile of this platform, and only that; what happened, or ""."""
    if read_profile(path).get("url") != url:
        return ""
    try:
        path.unlink(missing_ok=True)
        has_backup = bool(backup) and Path(backup).is_file()
        if has_backup:
            Path(backup).replace(path)
    except OSError as error:
        return f"warning: {path} is of no use any more and cannot be removed: {error.strerror}"
    if has_backup:
        return f"put your earlier profile back: {path}"
    return f"removed {path}"
