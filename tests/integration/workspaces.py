"""A workspace on real directories, and haiworkspace as a person types it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


class Project:
    """A local directory, and the shared folder that holds its twin."""

    def __init__(self, folder: Path) -> None:
        self.local = folder / "home" / "digits"
        self.local.mkdir(parents=True)
        self.remote = folder / "shared" / "digits"

    def run(self, *args: str, **variables: str) -> subprocess.CompletedProcess[str]:
        program = "from haiworkspace.cli import main; main()"
        return subprocess.run(
            [sys.executable, "-c", program, *args],
            env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), **variables},
            cwd=self.local,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def init(self) -> None:
        done = self.run("init", "digits", "--remote", str(self.remote))
        assert done.returncode == 0, done.stderr

    def write(self, **texts: str) -> None:
        for name, text in texts.items():
            (self.local / name).write_text(text)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    made = Project(tmp_path)
    made.init()
    return made


def names(folder: Path) -> list[str]:
    return sorted(
        str(path.relative_to(folder))
        for path in folder.rglob("*")
        if (path.is_symlink() or not path.is_dir()) and ".hai" not in path.parts
    )
