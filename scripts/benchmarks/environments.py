"""haienv beside uv itself, in turn, with the same warm cache.

Each figure is there twice: in CPU seconds, which other work on the machine hardly changes, and in
seconds of the clock. Targets are made of uv's figures in the same rounds: both had one load.
"""

import os
import resource
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median

from haienv.uv import find_uv, uv_variables
from scripts.benchmarks.figures import Figure, figure

ROUNDS = 10
# What a first experiment installs beside torch: some 10,000 files.
REQUIREMENTS = (
    *("numpy", "pandas", "pillow", "pyyaml", "requests", "tqdm", "einops", "tensorboardx"),
    *("sympy", "networkx", "jinja2", "fsspec", "filelock", "rich", "regex"),
)
_STEPS = ("venv", "create", "install", "add", "bash", "enter")
Sample = tuple[float, float]  # milliseconds of CPU, of the clock


def environments() -> list[Figure]:
    """What haienv adds to uv: to make an environment, to fill it, to enter it."""
    with tempfile.TemporaryDirectory(prefix="hai-bench-") as folder:
        rounds = list(_Bench(Path(folder)).rounds())[1:]  # the first fills the caches
    load = f"load {os.getloadavg()[0]:.1f}"
    found = []
    for kind, name in enumerate(("CPU", f"clock, {load}")):
        at = {step: [one[step][kind] for one in rounds] for step in _STEPS}
        found += [
            _beside(f"haienv create ({name})", at["create"], at["venv"], 150),
            _beside(f"haienv add -r ({name})", at["add"], at["install"], 0),
            figure(f"source haienv NAME ({name})", _less(at["enter"], at["bash"]), "ms", "<=", 30),
        ]
    return found


def _beside(name: str, ours: Sequence[float], of_uv: Sequence[float], more: float) -> Figure:
    """The target is 1.15 x uv + `more` ms."""
    return figure(name, ours, "ms", "<=", round(1.15 * median(of_uv) + more, 1))


def _less(samples: Sequence[float], bare: Sequence[float]) -> list[float]:
    return [max(one - other, 0) for one, other in zip(samples, bare, strict=True)]


class _Bench:
    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._listed = folder / "requirements.txt"
        self._listed.write_text("\n".join(REQUIREMENTS) + "\n")
        root = folder / "envs"
        self._variables = {**uv_variables(root), "HAIENV_PATH": str(root)}
        # Installed programs have their modules compiled; a checkout has after the first round.
        self._variables.pop("PYTHONDONTWRITEBYTECODE", None)
        self._uv = find_uv()
        self._haienv = str(Path(sys.executable).with_name("haienv"))

    def rounds(self) -> Iterator[dict[str, Sample]]:
        """The sample of each step."""
        listed = ("-r", str(self._listed))
        enter = f"source {shlex.quote(self._haienv)} h"
        commands = (
            (self._uv, "venv", "-q", "--seed", "--no-project", "-p", sys.executable, "u"),
            (self._haienv, "create", "h", "--no_extend", "-y", "-p", sys.executable),
            (self._uv, "pip", "install", "-q", "-p", "u", *listed),
            (self._haienv, "add", "h", *listed),
            ("bash", "-c", ":"),
            ("bash", "-c", enter),
        )
        steps = list(zip(_STEPS, commands, strict=True))
        for number in range(ROUNDS + 1):
            if number:  # in turn: who comes second finds what the first one read in memory
                steps[0:4] = [steps[1], steps[0], steps[3], steps[2]]
            yield {step: self._timed(*command) for step, command in steps}
            shutil.rmtree(self._folder / "u")
            shutil.rmtree(self._folder / "envs" / "h")

    def _timed(self, *command: str) -> Sample:
        before, began = _cpu_seconds(), time.perf_counter()
        subprocess.run(
            command,
            env=self._variables,
            cwd=self._folder,
            stdin=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            check=True,
        )
        return 1000 * (_cpu_seconds() - before), 1000 * (time.perf_counter() - began)


def _cpu_seconds() -> float:
    """Of all children so far, and theirs."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
