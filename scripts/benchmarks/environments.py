"""haienv beside uv itself, in turn, with the same warm cache."""

import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from haienv.uv import find_uv, uv_variables
from scripts.benchmarks.figures import Figure, figure

ROUNDS = 10
REQUIREMENTS = ("einops", "six", "tqdm", "packaging", "idna")


def environments() -> list[Figure]:
    """What haienv adds to uv: to make an environment, to fill it, to enter it."""
    with tempfile.TemporaryDirectory(prefix="hai-bench-") as folder:
        rounds = list(_Bench(Path(folder)).rounds())[1:]  # the first fills the cache
    made, create, added, add, bare, enter = ([1000 * one[i] for one in rounds] for i in range(6))
    create_limit, add_limit = 1.15 * median(made) + 150, 1.15 * median(added)
    return [
        figure("haienv create; 1.15 x uv venv --seed + 150 ms", create, "ms", "<=", create_limit),
        figure("haienv add, 5 packages; 1.15 x uv pip install", add, "ms", "<=", add_limit),
        figure("source haienv NAME, beside an empty bash", _less(enter, bare), "ms", "<=", 30),
    ]


def _less(samples: list[float], bare: list[float]) -> list[float]:
    return [max(one - median(bare), 0) for one in samples]


class _Bench:
    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._listed = folder / "requirements.txt"
        self._listed.write_text("\n".join(REQUIREMENTS) + "\n")
        root = folder / "envs"
        self._variables = {**uv_variables(root), "HAIENV_PATH": str(root)}
        self._uv = find_uv()
        self._haienv = str(Path(sys.executable).with_name("haienv"))

    def rounds(self) -> Iterator[tuple[float, ...]]:
        """Seconds of: uv venv, haienv create, uv pip install, haienv add, bare bash, entering."""
        listed = ("-r", str(self._listed))
        for _ in range(ROUNDS + 1):
            made = self._timed(
                *(self._uv, "venv", "-q", "--seed", "--no-project", "-p", sys.executable, "u")
            )
            create = self._timed(
                *(self._haienv, "create", "h", "--no_extend", "-y", "-p", sys.executable)
            )
            added = self._timed(self._uv, "pip", "install", "-q", "-p", "u", *listed)
            add = self._timed(self._haienv, "add", "h", *listed)
            enter = f"source {shlex.quote(self._haienv)} h"
            yield (
                made,
                create,
                added,
                add,
                self._timed("bash", "-c", ":"),
                self._timed("bash", "-c", enter),
            )
            shutil.rmtree(self._folder / "u")
            shutil.rmtree(self._folder / "envs" / "h")

    def _timed(self, *command: str) -> float:
        began = time.perf_counter()
        subprocess.run(
            command,
            env=self._variables,
            cwd=self._folder,
            stdin=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            check=True,
        )
        return time.perf_counter() - began
