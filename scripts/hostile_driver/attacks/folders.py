"""Files that somebody else put where a user's own tools look."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from scripts.chaos_driver.load import FIRST_UID
from scripts.chaos_driver.site import LocalSite
from scripts.chaos_driver.waiting import Violation
from scripts.hostile_driver.attacks import Scene, local
from scripts.hostile_driver.site import is_no_root

_ROOT = Path(__file__).parents[3]
_DENIED = 5


def _run(folder: Path, module: str, *words: str, **variables: str) -> tuple[int, str]:
    """One of our tools, as its user types it; exit code and what it says."""
    program = f"from {module}.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", program, *words],
        env={
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(_ROOT),
            "HOME": str(folder.parent),
            **variables,
        },
        cwd=folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


@contextmanager
def _folder(site: LocalSite) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(dir=site.folder) as name:
        yield Path(name)


@local("workspace-of-a-stranger", "a workspace.yml of another owner is not followed", is_no_root)
def workspace_of_a_stranger(scene: Scene[LocalSite]) -> str:
    """It lies in a folder above, and would send the victim's file where the attacker reads it."""
    with _folder(scene.site) as folder:
        loot, own = folder / "loot", folder / "shared" / "own"
        own.mkdir(parents=True)
        (own / "secret").touch(0o600)
        (own / "secret").write_text("secret")
        trap = folder / "shared" / ".hai"
        trap.mkdir()
        (trap / "workspace.yml").write_text(
            f"workspace: trap\nlocal: {trap.parent}\nremote: {loot}\nprovider: dir\n"
        )
        for path in (trap, trap / "workspace.yml"):
            os.chown(path, FIRST_UID, FIRST_UID)
        for verb in ("push", "diff", "pull"):
            code, said = _run(own, "haiworkspace", verb)
            if code != _DENIED or loot.exists():
                raise Violation(f"haiworkspace {verb}: exit {code}, sent: {loot.exists()}: {said}")
    return "push, diff and pull are refused, and nothing was sent"


@local("linked-locks", "nothing is truncated where a lock file's link points")
def linked_locks(scene: Scene[LocalSite]) -> str:
    with _folder(scene.site) as folder:
        precious = folder / "precious"
        precious.write_text("text")
        _workspace_lock(folder, precious)
        _environment_lock(folder, precious)
    return "haiworkspace and haienv refuse"


def _workspace_lock(folder: Path, precious: Path) -> None:
    own = folder / "project"
    own.mkdir()
    (own / "a").write_text("mine")
    code, said = _run(own, "haiworkspace", "init", "trap", "--remote", str(folder / "remote"))
    if code:
        raise Violation(f"haiworkspace init: exit {code}: {said}")
    (own / ".hai" / "workspace.lock").unlink(missing_ok=True)
    (own / ".hai" / "workspace.lock").symlink_to(precious)
    _refuses(precious, *_run(own, "haiworkspace", "push"))


def _environment_lock(folder: Path, precious: Path) -> None:
    root = folder / "envs"
    root.mkdir()
    (root / ".lock").symlink_to(precious)
    _refuses(precious, *_run(folder, "haienv", "create", "trap", HAIENV_PATH=str(root)))


def _refuses(precious: Path, code: int, said: str) -> None:
    if code != _DENIED or precious.read_text() != "text":
        raise Violation(f"exit {code}, the file is {precious.read_text()!r}: {said}")
