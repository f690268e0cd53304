"""One mutant in a copy of the tree: do the tests notice it?

Each trial is a fork of this process, which has the libraries loaded already. What bounds a mutant
that never ends is processor time, so that a busy machine makes no difference.
"""

import importlib
import os
import resource
import shutil
import signal
import sys
from contextlib import suppress
from importlib.util import cache_from_source
from pathlib import Path

COPIED = ("hai", "tests", "docs", "templates", "pyproject.toml")
SAID = "tests.log"  # by the last trial, in the copy
_LIBRARIES = ("hypothesis", "hypothesis.stateful", "httpx2", "psycopg", "pydantic", "fastapi")
# Quick ones first: the first failure ends a trial.
_QUICK = (
    "heads",
    "ready",
    "eligibility",
    "job_classes",
    "arrays",
    "queue_course",
    "fair_share",
    "planner",
    "victims",
    "promises",
    "shadow",
    "time_sharing",
    "time_sharing_gangs",
    "time_sharing_places",
    "quota",
    "reasons",
    "requeue",
    "service_order",
    "queue",
)
_LAST = ("own_order", "planner_properties", "starvation")
_NOT = ("planner_speed", "scheduling_doc")  # a promise of speed; a document
# One failure is enough, however large its example is.
_NO_SHRINKING = """
hypothesis.settings.register_profile(
    "mutants",
    parent=hypothesis.settings(),
    phases=[hypothesis.Phase.explicit, hypothesis.Phase.generate],
)
hypothesis.settings.load_profile("mutants")
"""


def tests_of_core(root: Path, *, only_quick: bool) -> list[str]:
    folder = root / "tests/unit/core"
    found = {path.stem.removeprefix("test_"): path for path in folder.glob("test_*.py")}
    others = sorted(set(found) - {*_QUICK, *_LAST, *_NOT})
    order = _QUICK if only_quick else (*_QUICK, *others, *_LAST)
    return [os.fspath(found[name].relative_to(root)) for name in order]


def copy_tree(root: Path, copied: Path) -> None:
    for name in COPIED:
        source, target = root / name, copied / name
        if source.is_dir():
            shutil.copytree(source, target)
        else:
            shutil.copy(source, target)


def stop_shrinking(tree: Path) -> None:
    with (tree / "tests/conftest.py").open("a") as file:
        file.write(_NO_SHRINKING)


def warm_up() -> None:
    for name in ("pytest", *_LIBRARIES):
        importlib.import_module(name)


def write_source(tree: Path, path: str, source: str) -> None:
    """Bytecode of an older source with the same size and second would be taken for its own."""
    with suppress(FileNotFoundError):
        Path(cache_from_source(tree / path)).unlink()
    (tree / path).write_text(source)


def run_tests(tree: Path, tests: list[str], cpu_seconds: int) -> tuple[str, float]:
    """`survived`, `killed` or `timeout`, and the processor time that it took."""
    child = os.fork()
    if child == 0:
        code = 70
        try:
            code = _in_child(tree, tests, cpu_seconds)
        finally:
            os._exit(code)
    _, status, usage = os.wait4(child, 0)
    seconds = usage.ru_utime + usage.ru_stime
    if os.WIFSIGNALED(status):
        is_time = os.WTERMSIG(status) in (signal.SIGXCPU, signal.SIGKILL)
        return ("timeout" if is_time else "killed"), seconds
    return ("survived" if os.WEXITSTATUS(status) == 0 else "killed"), seconds


def _in_child(tree: Path, tests: list[str], cpu_seconds: int) -> int:
    import pytest

    resource.setrlimit(resource.RLIMIT_CPU, (cpu_seconds, cpu_seconds + 5))
    resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30))
    os.chdir(tree)
    said = os.open(SAID, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    for descriptor in (1, 2):
        os.dup2(said, descriptor)
    sys.path[:] = [os.fspath(tree), *(place for place in sys.path if place)]
    for name in [name for name in sys.modules if name.partition(".")[0] in ("hai", "scripts")]:
        del sys.modules[name]
    # Libraries are loaded before pytest could rewrite their assertions.
    words = ["-q", "-x", "-W", "ignore::pytest.PytestAssertRewriteWarning"]
    return int(pytest.main([*words, "-p", "no:cacheprovider", "-p", "no:xdist", *tests]))
