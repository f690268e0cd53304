"""A folder as an image layer: the same files give the same bytes."""

import hashlib
import tarfile
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Layer:
    """An uncompressed tar; `digest` is its diff id without the algorithm."""

    path: Path
    digest: str


def pack(root: Path, path: Path, epoch: int) -> Layer:
    """Everything below `root`, by name, owned by root, of one time."""
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as archive:
        for file in sorted(root.rglob("*"), key=lambda each: each.relative_to(root).parts):
            info = archive.gettarinfo(file, str(file.relative_to(root)))
            info.uid = info.gid = 0
            info.uname = info.gname = ""
            info.mtime = epoch
            info.mode = 0o755 if info.isdir() or info.mode & 0o100 else 0o644
            if info.isreg():
                with file.open("rb") as data:
                    archive.addfile(info, data)
            else:
                archive.addfile(info)
    return Layer(path, digest_of(path))


def digest_of(path: Path) -> str:
    """SHA-256 in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
