"""A workspace on real directories, and haiworkspace as a person types it."""

import itertools
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest

from tests.served import Served, served
from tests.sshd import SSHD, sshd

_MOST_USERS = 200
_USERS = itertools.count()
ROOT = Path(__file__).parents[2]


def run_program(
    program: str, words: Sequence[str], folder: Path, variables: Mapping[str, str]
) -> subprocess.CompletedProcess[str]:
    """Python text in a process of its own that stands in `folder`, with ours as its only code."""
    return subprocess.run(
        [sys.executable, "-c", program, *words],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), **variables},
        cwd=folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


class Project:
    """A local directory, and the shared folder that holds its twin."""

    def __init__(self, folder: Path) -> None:
        self.local = folder / "home" / "digits"
        self.local.mkdir(parents=True)
        self.remote = folder / "shared" / "digits"
        self.variables: dict[str, str] = {}
        self.via = ""
        self.place = str(self.remote)

    @property
    def is_far(self) -> bool:
        return bool(self.via)

    def run(self, *args: str, **variables: str) -> subprocess.CompletedProcess[str]:
        program = "from haiworkspace.cli import main; main()"
        return run_program(program, args, self.local, {**self.variables, **variables})

    def init(self, *more: str) -> None:
        self.run_checked("init", "digits", "--remote", str(self.remote), *more)

    def run_checked(self, *args: str) -> str:
        """What it says."""
        done = self.run(*args)
        assert done.returncode == 0, done.stderr
        return done.stderr

    def write(self, **texts: str) -> None:
        for name, text in texts.items():
            (self.local / name).write_text(text)


def by_api(
    made: Project, monkeypatch: pytest.MonkeyPatch, platform: Served, port: int = 0
) -> Project:
    """Its twin is behind the platform's API, for a user who was nobody's before; `port`: that of
    something before the server."""
    user = f"ann{next(_USERS)}"
    made.variables = {"HAI_CONF": str(platform.profile(user, port))}
    monkeypatch.setenv("HAI_CONF", made.variables["HAI_CONF"])
    made.remote = platform.home(user) / "digits"
    made.place = f"http://127.0.0.1:{port or platform.port}/workspaces/digits"
    made.run_checked("init", "digits")
    return made


@pytest.fixture(scope="session")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """One server for all tests of a process: each takes a user of its own."""
    users = {f"ann{number}": os.geteuid() for number in range(_MOST_USERS)}
    folder = tmp_path_factory.mktemp("served") / "platform"
    with served(folder, users) as made:
        yield made


@pytest.fixture(params=["dir", "api", "sftp", "sftp without programs"])
def project(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Project]:
    """One workspace on each transport: what it promises is the same."""
    made = Project(tmp_path)
    if request.param == "dir":
        made.init()
        yield made
        return
    if request.param == "api":
        yield by_api(made, monkeypatch, request.getfixturevalue("platform"))
        return
    if SSHD is None:
        pytest.skip("there is no sshd")
    with sshd(tmp_path, sftp_only=request.param != "sftp") as server:
        made.variables = {"HOME": str(server.home)}
        monkeypatch.setenv("HOME", str(server.home))
        made.via = f"ssh://{server.name}"
        made.place = f"{made.via}{made.remote}"
        made.init("--via", made.via)
        yield made


def names(folder: Path) -> list[str]:
    return sorted(
        str(path.relative_to(folder))
        for path in folder.rglob("*")
        if (path.is_symlink() or not path.is_dir()) and ".hai" not in path.parts
    )
