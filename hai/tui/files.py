"""Names of files that are written, and the program that shows a text."""

import shutil
from collections.abc import Mapping
from itertools import count
from pathlib import Path


def free_name(folder: Path, stem: str, suffix: str) -> Path:
    """A name in `folder` that is not taken: stem.txt, stem-2.txt, ..."""
    for number in count(1):
        path = folder / (f"{stem}.{suffix}" if number == 1 else f"{stem}-{number}.{suffix}")
        if not path.exists():
            return path
    raise AssertionError("unreachable")


def pager_command(environ: Mapping[str, str]) -> str:
    """HAI_PAGER, PAGER, or less (more, where there is no less)."""
    chosen = environ.get("HAI_PAGER") or environ.get("PAGER")
    return chosen or ("less -R" if shutil.which("less") else "more")
