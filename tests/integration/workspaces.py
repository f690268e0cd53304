"""A workspace on real directories, and haiworkspace as a person types it."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.sshd import SSHD, sshd

ROOT = Path(__file__).parents[2]


class Project:
    """A local directory, and the shared folder that holds its twin."""

    def __init__(self, folder: Path) -> None:
        self.local = folder / "home" / "digits"
        self.local.mkdir(parents=True)
        self.remote = folder / "shared" / "digits"
        self.variables: dict[str, str] = {}
        self.via = ""

    @property
    def is_far(self) -> bool:
        return bool(self.via)

    @property
    def place(self) -> str:
        return f"{self.via}{self.remote}"

    def run(self, *args: str, **variables: str) -> subprocess.CompletedProcess[str]:
        program = "from haiworkspace.cli import main; main()"
        return subprocess.run(
            [sys.executable, "-c", program, *args],
            env={
                "PATH": os.environ["PATH"],
                "PYTHONPATH": str(ROOT),
                **self.variables,
                **variables,
            },
            cwd=self.local,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def init(self, *more: str) -> None:
        done = self.run("init", "digits", "--remote", str(self.remote), *more)
        assert done.returncode == 0, done.stderr

    def write(self, **texts: str) -> None:
        for name, text in texts.items():
            (self.local / name).write_text(text)


@pytest.fixture(params=["dir", "sftp", "sftp without programs"])
def project(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Project]:
    """One workspace on each transport: what it promises is the same."""
    made = Project(tmp_path)
    if request.param == "dir":
        made.init()
        yield made
        return
    if SSHD is None:
        pytest.skip("there is no sshd")
    with sshd(tmp_path, sftp_only=request.param != "sftp") as server:
        made.variables = {"HOME": str(server.home)}
        monkeypatch.setenv("HOME", str(server.home))
        made.via = f"ssh://{server.name}"
        made.init("--via", made.via)
        yield made


def names(folder: Path) -> list[str]:
    return sorted(
        str(path.relative_to(folder))
        for path in folder.rglob("*")
        if (path.is_symlink() or not path.is_dir()) and ".hai" not in path.parts
    )
