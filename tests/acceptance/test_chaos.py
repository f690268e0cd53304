"""Faults at random moments of a busy platform: 5 minutes in CI, half a minute elsewhere."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from scripts.chaos_driver.mounts import PRIVATE

ROOT = Path(__file__).parents[2]
SECONDS = 300 if os.environ.get("CI") == "true" else 30

# The faults, then the end of all tasks, the checks and the replay, on a machine that is busy.
pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(SECONDS + 1500)]


def private_mounts() -> list[str]:
    """What makes a mount namespace for the disk that gets full, where that is allowed."""
    if os.getuid() != 0 or shutil.which("unshare") is None:
        return []
    if subprocess.run(["unshare", "--mount", "true"], check=False).returncode:
        return []
    return ["unshare", "--mount", "env", f"{PRIVATE}=1"]


def test_faults_at_random_moments() -> None:
    words = ["-m", "scripts.chaos_driver", "--seconds", str(SECONDS)]
    if seed := os.environ.get("CHAOS_SEED"):
        words += ["--seed", seed]
    done = subprocess.run(
        [*private_mounts(), sys.executable, *words],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert " 0 violations" in done.stdout
