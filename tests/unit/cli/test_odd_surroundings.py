"""Streams that are closed or full, and words that are no text."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit.cli.conftest import Cli
from tests.unit.cli.peer import Peer

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize(
    ("redirection", "code", "said"),
    [
        (">&-", 0, ""),
        (">&- 2>&- <&-", 0, ""),
        (">/dev/full", 1, "hai-cli: No space left on device\n  hint: --debug shows where\n"),
    ],
)
def test_streams_that_are_closed_or_full(redirection: str, code: int, said: str) -> None:
    done = subprocess.run(
        ["sh", "-c", f'"$0" -m hai.cli.main help exit-codes {redirection}', sys.executable],
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        check=False,
    )
    assert (done.returncode, done.stderr) == (code, said)


def test_arguments_that_are_no_text(cli: Cli, joined: Peer, tmp_path: Path) -> None:
    (tmp_path / "a.sh").write_text("")
    for words in (["bash", str(tmp_path / "a.sh"), "\udcff", "--"], ["list", "--user", "\udcff"]):
        done = cli(*words)
        assert (done.code, done.out) == (2, "")
        assert "not UTF-8" in done.err
