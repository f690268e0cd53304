"""Locks in the formats that other tools read."""

import tempfile
from pathlib import Path

from haienv.index import Index
from haienv.lock import Lock
from haienv.model import Environment
from haienv.uv import run_uv


def pylock(index: Index, environment: Environment, lock: Lock) -> str:
    """pylock.toml (PEP 751) of the packages of `environment`, with hashes and addresses."""
    with tempfile.TemporaryDirectory(prefix="haienv-") as folder:
        wanted = Path(folder, "in.txt")
        wanted.write_text("\n".join(lock.pins.values()) + "\n", encoding="utf-8")
        return run_uv(
            [
                "pip",
                "compile",
                "--quiet",
                "--no-deps",
                "--no-header",
                "--format",
                "pylock.toml",
                "--python",
                str(environment.bin_dir / "python"),
                str(wanted),
            ],
            root=index.root,
            doing=f"cannot find all packages of {environment.name!r} in an index",
            hint="--format requirements needs no index",
        )
