"""A peer to talk to, and the CLI run in this process."""
# ruff: noqa: S106 - the tokens here are made up

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from hai.cli.main import main
from hai.client.profile import Profile, save_profile
from tests.unit.cli.peer import Peer


@dataclass(frozen=True)
class Result:
    code: int
    out: str
    err: str


Cli = Callable[..., Result]


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pattern = re.compile(r"HAI_|HFAI_|HF_ENV|MARSV2_|CLICOLOR|NO_COLOR|VIRTUAL_ENV|CONDA_PREFIX")
    for name in list(os.environ):
        if pattern.match(name):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HAI_CONF", str(tmp_path / "conf.yaml"))
    monkeypatch.setenv("TERM", "xterm")


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str]) -> Cli:
    def run(*args: str) -> Result:
        capsys.readouterr()
        with pytest.raises(SystemExit) as exit_info:
            main(args)
        captured = capsys.readouterr()
        return Result(int(exit_info.value.code or 0), captured.out, captured.err)

    return run


@pytest.fixture
def joined(peer: Peer, tmp_path: Path) -> Peer:
    """The peer, with a profile that names it."""
    save_profile(Profile(url=peer.url, token="t0ken-secret"), tmp_path / "conf.yaml")
    return peer
