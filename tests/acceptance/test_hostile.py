"""Attacks on a live platform: none gets what it wants, and nobody else notices."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(900)]


def test_attacks_on_a_live_platform() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "scripts.hostile_driver"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert " 0 violations" in done.stdout
