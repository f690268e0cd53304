"""A platform of its own for measuring: hai-up in a temporary folder, and its command line."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

_BIN = Path(sys.executable).parent


@dataclass(frozen=True, slots=True)
class Platform:
    """A running platform; `folder` is empty and may be used as a workspace."""

    folder: Path
    environment: dict[str, str]
    url: str
    token: str

    @property
    def data_dir(self) -> Path:
        return self.folder / "data"

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    def command(self, *arguments: str) -> list[str]:
        return [str(_BIN / arguments[0]), *arguments[1:]]

    def server_pid(self) -> int:
        note: dict[str, Any] = json.loads((self.data_dir / "server.json").read_text())
        return int(note["pid"])


@contextmanager
def platform(
    hollow_nodes: int = 0, settings: Mapping[str, str] | None = None
) -> Iterator[Platform]:
    """Started by `hai-up run -p local`, taken down and removed at the end. `settings`: variables,
    HAI_<SECTION>__<KEY>."""
    folder = Path(tempfile.mkdtemp(prefix="hai-bench-", dir="/tmp"))
    folder.chmod(0o755)
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("HAI_", "MARSV2_"))}
    environment |= {"HOME": str(folder), **(settings or {})}
    data_dir = str(folder / "data")
    up = [str(_BIN / "hai-up")]
    options = [
        "--no-studio",
        "--data-dir",
        data_dir,
        "--port",
        "0",
        "--hollow-nodes",
        str(hollow_nodes),
    ]
    try:
        _run([*up, "run", "-p", "local", *options], environment, folder)
        profile = yaml.safe_load((folder / ".hai" / "conf.yaml").read_text())
        yield Platform(folder, environment, profile["url"], profile["token"])
    finally:
        _run([*up, "down", "--data-dir", data_dir, "--purge", "-y"], environment, folder)
        shutil.rmtree(folder, ignore_errors=True)


def _run(command: list[str], environment: dict[str, str], folder: Path) -> None:
    done = subprocess.run(
        command, env=environment, cwd=folder, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stderr}")
