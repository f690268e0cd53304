"""What is installed in directories of packages, read from its metadata; nothing is imported."""

import json
import re
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_SEPARATORS = re.compile(r"[-_.]+")


@dataclass(frozen=True, slots=True)
class Installed:
    """One package: `url` where it does not come from an index; `folder` is its .dist-info.

    `is_editable`: its code lies at `url` and may change there (pip install -e).
    """

    name: str  # normalised, as torch-geometric
    version: str
    folder: Path
    url: str = ""
    is_editable: bool = False

    @property
    def pin(self) -> str:
        """As a line of requirements."""
        if self.is_editable:
            return f"-e {self.url}"
        return f"{self.name} @ {self.url}" if self.url else f"{self.name}=={self.version}"


def normalised(name: str) -> str:
    """The one spelling of a package's name."""
    return _SEPARATORS.sub("-", name).lower()


def installed_in(directories: Iterable[Path]) -> dict[str, Installed]:
    """By name. What stands in an earlier directory hides what a later one has."""
    found: dict[str, Installed] = {}
    for directory in directories:
        for one in _of_directory(directory):
            found.setdefault(one.name, one)
    return found


def _of_directory(directory: Path) -> Iterable[Installed]:
    try:
        folders = sorted(directory.glob("*.dist-info"))
    except OSError:
        return
    for folder in folders:
        name, version = _metadata_of(folder)
        if name and version:
            yield Installed(normalised(name), version, folder, *_source_of(folder))


def _metadata_of(folder: Path) -> tuple[str, str]:
    """Name and version as METADATA gives them; ("", "") if it does not."""
    name = version = ""
    with suppress(OSError), (folder / "METADATA").open(encoding="utf-8", errors="replace") as file:
        for line in file:
            if not line.strip():
                break
            key, _, value = line.partition(":")
            if key.lower() == "name":
                name = value.strip()
            elif key.lower() == "version":
                version = value.strip()
            if name and version:
                break
    return name, version


def _source_of(folder: Path) -> tuple[str, bool]:
    """Where it came from, by PEP 610 ("" for an index), and whether it is editable there."""
    try:
        said = json.loads((folder / "direct_url.json").read_text(encoding="utf-8"))
        url = str(said["url"])
        is_editable = bool(said.get("dir_info", {}).get("editable"))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return "", False
    if (vcs := said.get("vcs_info")) and "vcs" in vcs:
        return f"{vcs['vcs']}+{url}@{vcs.get('commit_id', '')}", is_editable
    return url, is_editable


@dataclass(frozen=True, slots=True)
class RecordedFile:
    """A file as RECORD has it; `hash` is "sha256=..." or "", `size` in bytes or None."""

    path: Path
    hash: str
    size: int | None


def files_of(one: Installed) -> list[RecordedFile]:
    """The files that RECORD names; [] without one."""
    try:
        text = (one.folder / "RECORD").read_text(encoding="utf-8")
    except OSError:
        return []
    import csv

    rows = [row for row in csv.reader(text.splitlines()) if len(row) == 3]
    return [
        RecordedFile(one.folder.parent / path, digest, int(size) if size.isdigit() else None)
        for path, digest, size in rows
    ]
