"""The directory of an environment: made by uv, filled by a lock."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from haienv.entrypoints import SCRIPTS_FILE, scripts_in, write_scripts
from haienv.index import replace_text
from haienv.layer import BASE_FILE, base_text
from haienv.locked import write_lock
from haienv.pip_wrapper import mend_pip, write_pip
from haienv.uv import run_uv

TYPE_CHECKING = False
if TYPE_CHECKING:
    from haienv.lock import Lock
    from haienv.model import Environment


def make_place(environment: Environment, python: str, sites: tuple[str, ...], root: Path) -> None:
    """A virtual environment of the program `python`. A layer sees what is in `sites`. `root`: the
    folder of all environments. PlatformError."""
    seed = [] if environment.extends else ["--seed"]  # a layer sees the pip of its base
    run_uv(
        [
            "venv",
            "--quiet",
            "--clear",
            "--no-project",
            "--relocatable",
            *seed,
            "--python",
            python,
            "--prompt",
            environment.name,
            str(environment.path),
        ],
        root=root,
        doing=f"{python} could not make a virtual environment",
        hint="give another Python with -p; haienv list shows the environments there are",
    )
    if environment.extends:
        replace_text(environment.site_dir / BASE_FILE, base_text(sites))
        scripts = scripts_in(sites)
        replace_text(environment.path / SCRIPTS_FILE, json.dumps(scripts) + "\n")
        write_scripts(environment.bin_dir, scripts)
    write_pip(environment)
    lines = [f"{directory}\n" for directory in environment.extras.search_dirs]
    replace_text(environment.site_dir / "_haienv_search.pth", "".join(lines))


def fill(environment: Environment, lock: Lock, root: Path) -> Lock:
    """Installs and removes until it is what `lock` says. PlatformError."""
    with tempfile.TemporaryDirectory(prefix="haienv-") as scratch:
        wanted = Path(scratch) / "wanted.txt"
        wanted.write_text("\n".join(lock.pins.values()) + "\n", encoding="utf-8")
        run_uv(
            [
                "pip",
                "sync",
                "--quiet",
                "--allow-empty-requirements",
                "--python",
                str(environment.bin_dir / "python"),
                str(wanted),
            ],
            root=root,
            doing=f"cannot bring {environment.name!r} to {lock.identity}",
            hint="the environment is as it was, or as far as that came: try again",
        )
    return finished(environment)


def finished(environment: Environment) -> Lock:
    """The base's scripts are there again where a package took its own away, and ours of pip; the
    lock is new."""
    try:
        known = json.loads((environment.path / SCRIPTS_FILE).read_text(encoding="utf-8"))
    except FileNotFoundError:
        known = {}
    write_scripts(environment.bin_dir, known)
    mend_pip(environment)
    return write_lock(environment)
