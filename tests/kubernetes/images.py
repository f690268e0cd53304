"""The platform's image of this commit, on the nodes of a cluster of scripts/testbed."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.kubernetes.testbed import ENVIRONMENT, SCRIPTS, Cluster

CHECKOUT = SCRIPTS.parents[1]


def build(out: Path) -> tuple[str, Path]:
    """Name and archive; skipped where it cannot be built, unless HAI_TEST_PLATFORM names one."""
    known = ENVIRONMENT.get("HAI_TEST_PLATFORM_TAR", "")
    if known:
        archive = Path(known)
        return f"hai-platform:{archive.stem.removeprefix('hai-platform-')}", archive
    if not (CHECKOUT / ".git").exists():
        pytest.skip("no git checkout to make an image of")
    if not shutil.which("mmdebstrap") and os.environ.get("CI") != "true":
        pytest.skip("mmdebstrap is missing: the image has no base")
    subprocess.run(
        [sys.executable, "-m", "scripts.releasing"],
        cwd=CHECKOUT,
        env={**ENVIRONMENT, "OUT": str(out), "IMAGE_REPO": "hai-platform"},
        check=True,
        capture_output=True,
    )
    archive = next(out.glob("hai-platform-*.tar"))
    return f"hai-platform:{archive.stem.removeprefix('hai-platform-')}", archive


def bring(cluster: Cluster, archive: Path, nodes: int) -> None:
    """Into the image store of every node, where no registry is."""
    runtime = cluster.folder.parents[1] / "rt" / "bin" / "ctr"
    for node in range(1, nodes + 1):
        holder = str(cluster.pid_of(f"node{node}"))
        enter = ["nsenter", "-t", holder, "-m", "-n", "-u"]
        store = [str(runtime), "-a", str(cluster.folder / f"n{node}" / "c.sock"), "-n", "k8s.io"]
        subprocess.run(
            [*enter, *store, "images", "import", str(archive)], check=True, capture_output=True
        )
