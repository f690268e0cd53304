"""hai-up on one machine, in a folder and on ports of its own."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx2
import psutil
import pytest
import yaml

from tests.waiting import PATIENCE_SECONDS, wait_until

ROOT = Path(__file__).parents[1]


PROGRAM = """
import pathlib, time
pathlib.Path("starts").open("a").write("x")
while not pathlib.Path("enough").exists():
    time.sleep(0.05)
"""


class Machine:
    """One home and one data folder, and hai-up in them, as the user `uid` (None: as we are)."""

    def __init__(self, folder: Path, *, uid: int | None = None) -> None:
        self.folder = folder
        self.data = folder / "data"
        self.home = folder / "home"
        self.work = folder / "work"
        self.profile = self.home / ".hai" / "conf.yaml"
        self._uid = uid
        for path in (self.home, self.work):
            path.mkdir()
        if uid is not None:
            for path in (folder, self.home, self.work):
                os.chown(path, uid, uid)

    def start(self, *words: str, **environ: str) -> subprocess.Popen[str]:
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("HAI_", "XDG_", "MARSV2_"))
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
        """Run hai-up to its end, which must be `code`; stdout and stderr."""
        child = self.start(*words, **environ)
        out, err = child.communicate(timeout=5 * PATIENCE_SECONDS)
        assert child.returncode == code, err
        assert "Traceback" not in err
        return out, err

    def code(self, *words: str) -> int:
        child = self.start(*words)
        child.communicate(timeout=2 * PATIENCE_SECONDS)
        return int(child.returncode)

    def up(self, *words: str, **environ: str) -> str:
        """`hai-up run` on any free port, or on the last one; stderr."""
        port = [] if self.data.exists() else ["--port", "0"]
        return self.do("run", *port, *words, code=0, **environ)[1]

    def status(self, code: int = 0) -> dict[str, Any]:
        facts: dict[str, Any] = json.loads(self.do("status", "-o", "json", code=code)[0])
        return facts

    def pid(self) -> int:
        return int(self.status()["pid"])

    def token(self) -> str:
        return str(yaml.safe_load(self.profile.read_text())["token"])

    def ask(self, method: str, path: str, **more: Any) -> Any:
        """The API, with the profile that hai-up wrote."""
        profile = yaml.safe_load(self.profile.read_text())
        reply = httpx2.request(
            method,
            f"{profile['url']}/api/v1/{path}",
            headers={"Authorization": f"Bearer {profile['token']}"},
            trust_env=False,
            **{"timeout": PATIENCE_SECONDS, **more},
        )
        assert reply.is_success, reply.text
        return reply.json()

    def submit(self) -> int:
        """A task on two nodes that runs until work/enough exists."""
        (self.work / "program.py").write_text(PROGRAM)
        spec = {"entrypoint": "program.py", "workspace": str(self.work)}
        task = {"version": 2, "name": "long", "spec": spec, "resource": {"node_count": 2}}
        return int(self.ask("POST", "tasks", json=task)["id"])

    def wait_for_state(self, task_id: int, state: str) -> None:
        wait_until(
            lambda: self.ask("GET", f"tasks/{task_id}")["state"] == state,
            what=f"task {task_id} {state}",
        )


def running_in(folder: Path) -> list[psutil.Process]:
    """Everything that runs in or for the folder."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if str(folder) in " ".join([*process.cmdline(), process.cwd()]):
                found.append(process)
    return found


def processes_of(folder: Path) -> list[str]:
    """Command lines of everything that runs in or for the folder."""
    lines = []
    for process in running_in(folder):
        with suppress(psutil.Error):
            lines.append(" ".join(process.cmdline()))
    return lines


@pytest.fixture
def machine(public_dir: Path) -> Iterator[Machine]:
    (public_dir / "m").mkdir(mode=0o755)
    made = Machine(public_dir / "m")
    yield made
    made.do("down", "--purge", "--yes")
    wait_until(lambda: processes_of(made.folder) == [], what="no process left")
