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
_BROKEN = '\nraise SystemExit("hai-server: this build is broken")\n'


def other_tree(folder: Path, *, adds_migration: bool = True, is_broken: bool = False) -> Path:
    """A copy that says it is another revision. `is_broken`: its server ends at its start, while
    everything else of it works."""
    for part in _PARTS:
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / part, folder / part, ignore=ignored)
    (folder / ".git").mkdir()
    (folder / ".git" / "HEAD").write_text(f"{COMMIT}\n")
    if adds_migration:
        add_migration(folder)
    if is_broken:
        break_server(folder)
    return folder


def add_migration(tree: Path) -> str:
    """One more than there are; its name."""
    migrations = tree / "hai" / "store" / "migrations"
    number = len(list(migrations.glob("*.sql"))) + 1
    name = f"{number:04d}_of_a_later_day"
    (migrations / f"{name}.sql").write_text(MIGRATION)
    return name


def break_server(tree: Path) -> None:
    daemon = tree / "hai" / "server" / "daemon.py"
    daemon.write_text(daemon.read_text() + _BROKEN)


def installed(folder: Path, tree: Path) -> Path:
    """An environment of its own with that tree and the libraries of this one; its python."""
    venv.create(folder, symlinks=True)
    site = next(folder.glob("lib/python3*/site-packages"))
    (site / "hai.pth").write_text(f"{tree}\n{sysconfig.get_path('purelib')}\n")
    return folder / "bin" / "python"
