"""hai-up on this machine as a person uses it: real servers, real PostgreSQL, real tasks."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
import yaml

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(180)]

ROOT = Path(__file__).parents[2]
NOBODY = 65534
PROGRAM = """
import pathlib, time
pathlib.Path("starts").open("a").write("x")
while not pathlib.Path("enough").exists():
    time.sleep(0.05)
"""


def wait_for(is_so: Callable[[], Any], seconds: float = 30) -> Any:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = is_so()
        if found:
            return found
        time.sleep(0.05)
    raise AssertionError(f"not so after {seconds} s")


class Machine:
    """One home and one data folder, and hai-up in them."""

    def __init__(self, folder: Path, *, uid: int | None = None) -> None:
        self.folder = folder
        self.data = folder / "data"
        self.home = folder / "home"
        self.profile = self.home / ".hai" / "conf.yaml"
        self._uid = uid
        self.home.mkdir()
        if uid is not None:
            os.chown(self.home, uid, uid)
            os.chown(folder, uid, uid)

    def start(self, *words: str, **environ: str) -> subprocess.Popen[str]:
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("HAI_", "XDG_", "MARSV2_")) or name == "HAI_PG_BIN"
        }
        own = {"HOME": str(self.home), "HAI_DATA_DIR": str(self.data), "PYTHONPATH": str(ROOT)}
        return subprocess.Popen(
            [sys.executable, "-m", "hai_up.cli", *words],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=self.folder,
            env={**kept, **own, **environ},
            user=self._uid,
            group=self._uid,
            extra_groups=None if self._uid is None else [],
        )

    def do(self, *words: str, code: int = 0, **environ: str) -> tuple[str, str]:
        """Run hai-up to its end; stdout and stderr."""
        out, err = self.start(*words, **environ).communicate(timeout=120)
        child_code = 0 if code == 0 and "error:" not in err else code
        assert "Traceback" not in err, err
        return out, err if child_code == code else pytest.fail(err)

    def status(self, code: int = 0) -> dict[str, Any]:
        child = self.start("status", "-o", "json")
        out, err = child.communicate(timeout=60)
        assert child.returncode == code, out + err
        facts: dict[str, Any] = json.loads(out)
        return facts

    def api(self, method: str, path: str, **more: Any) -> Any:
        profile = yaml.safe_load(self.profile.read_text())
        reply = httpx2.request(
            method,
            f"{profile['url']}/api/v1/{path}",
            headers={"Authorization": f"Bearer {profile['token']}"},
            trust_env=False,
            **more,
        )
        assert reply.is_success, reply.text
        return reply.json()
