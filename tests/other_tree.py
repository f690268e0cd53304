"""This checkout as another revision: what an upgrade goes to."""

import shutil
import sysconfig
import venv
from pathlib import Path

ROOT = Path(__file__).parents[1]
_PARTS = ("hai", "hai_up", "templates")
COMMIT = "abcdef0123" * 4
REVISION = COMMIT[:10]
MIGRATION = (
    "CREATE TABLE of_a_later_day (id bigint PRIMARY KEY);\nINSERT INTO of_a_later_day VALUES (1);\n"
)
LATER, BROKEN = "hai-platform:later", "hai-platform:broken"  # images of such revisions
# What runs through an upgrade.
SLOW = """
import pathlib, time
with open("starts", "a") as starts:
    starts.write("x")
print("begun", flush=True)
while not pathlib.Path("enough").exists():
    time.sleep(0.1)
"""
_MIGRATIONS = "hai/store/migrations"
_DAEMON = "hai/server/daemon.py"
_BROKEN = '\nraise SystemExit("hai-server: this build is broken")\n'


def other_tree(folder: Path, *, adds_migration: bool = True, is_broken: bool = False) -> Path:
    """A copy that says it is another revision. `is_broken`: its server ends at its start, while
    everything else of it works."""
    for part in _PARTS:
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / part, folder / part, ignore=ignored)
    (folder / ".git").mkdir()
    (folder / ".git" / "HEAD").write_text(f"{COMMIT}\n")
    for name, text in changed_files(adds_migration=adds_migration, is_broken=is_broken).items():
        (folder / name).write_text(text)
    return folder


def changed_files(*, adds_migration: bool = False, is_broken: bool = False) -> dict[str, str]:
    """Of the tree, by their paths in it."""
    files = {}
    if adds_migration:
        number = len(list((ROOT / _MIGRATIONS).glob("*.sql"))) + 1
        files[f"{_MIGRATIONS}/{number:04d}_of_a_later_day.sql"] = MIGRATION
    if is_broken:
        files[_DAEMON] = (ROOT / _DAEMON).read_text() + _BROKEN
    return files


def released_as_other(version: str) -> dict[str, str]:
    """The file of a released tree that says its revision."""
    release = version.partition("+")[0]
    return {"hai/__init__.py": f'"""HAI."""\n\n__version__ = "{release}+g{REVISION}"\n'}


def installed(folder: Path, tree: Path) -> Path:
    """An environment of its own with that tree and the libraries of this one; its python."""
    venv.create(folder, symlinks=True)
    site = next(folder.glob("lib/python3*/site-packages"))
    (site / "hai.pth").write_text(f"{tree}\n{sysconfig.get_path('purelib')}\n")
    return folder / "bin" / "python"
