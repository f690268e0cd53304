"""What is released: the committed tree, with the revision in its version."""

import subprocess
import tarfile
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Source:
    """`folder` holds the exported tree; `epoch` is the commit's time, Unix seconds."""

    folder: Path
    version: str
    revision: str
    epoch: int


def export(checkout: Path, folder: Path) -> Source:
    """The tree of HEAD in `folder`. SystemExit outside of a git checkout."""
    revision = _git(checkout, "rev-parse", "--short=10", "HEAD").decode().strip()
    epoch = int(_git(checkout, "log", "-1", "--format=%ct"))
    with tarfile.open(fileobj=BytesIO(_git(checkout, "archive", "HEAD"))) as archive:
        archive.extractall(folder, filter="data")
    init = folder / "hai" / "__init__.py"
    text = init.read_text()
    base = text.split('__version__ = "')[1].split('"')[0]
    version = f"{base}+g{revision}"
    init.write_text(text.replace(f'"{base}"', f'"{version}"'))
    return Source(folder, version, revision, epoch)


def is_dirty(checkout: Path) -> bool:
    """Whether something here is not committed, and so not released."""
    return bool(_git(checkout, "status", "--porcelain"))


def _git(checkout: Path, *arguments: str) -> bytes:
    done = subprocess.run(["git", "-C", str(checkout), *arguments], capture_output=True)
    if done.returncode:
        raise SystemExit(f"error: {done.stderr.decode(errors='replace').strip()}")
    return done.stdout
